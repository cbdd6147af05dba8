//! Deleting obsolete rows in batches, so that locks are held only briefly.

use sea_orm::sea_query::{Expr, IntoCondition};
use sea_orm::{ColumnTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::{Executor, Result};

/// Deletes the first `limit` rows by `order` that meet a condition, and returns how many. An index
/// must cover both condition and order.
pub(super) async fn delete_first<E: EntityTrait>(
    db: &impl Executor,
    id: E::Column,
    condition: impl IntoCondition + Clone,
    order: Expr,
    limit: u64,
) -> Result<u64> {
    let first = E::find()
        .select_only()
        .column(id)
        .filter(condition.clone())
        .order_by(order, Order::Asc)
        .limit(limit)
        .into_query();
    // Checks the condition again: a row may have changed since it was selected.
    let deleted = E::delete_many()
        .filter(condition)
        .filter(id.in_subquery(first))
        .exec(db)
        .await?;
    Ok(deleted.rows_affected)
}
