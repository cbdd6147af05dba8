//! Deleting rows that are over, a bounded number at a time, so that nobody waits long for a lock.

use sea_orm::sea_query::{Expr, IntoCondition};
use sea_orm::{ColumnTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::{DbError, Executor};

/// Deletes the `limit` rows that meet a condition and come first by `order`; how many there were.
/// The condition and the order are to be those of an index.
pub(super) async fn delete_first<E: EntityTrait>(
    db: &impl Executor,
    id: E::Column,
    condition: impl IntoCondition + Clone,
    order: Expr,
    limit: u64,
) -> Result<u64, DbError> {
    let first = E::find()
        .select_only()
        .column(id)
        .filter(condition.clone())
        .order_by(order, Order::Asc)
        .limit(limit)
        .into_query();
    // The condition once more: a row may have come back to life since it was chosen.
    let deleted = E::delete_many()
        .filter(condition)
        .filter(id.in_subquery(first))
        .exec(db.connection())
        .await?;
    Ok(deleted.rows_affected)
}
