//! Queries on leases: which process may run a task exclusively, and until when.

use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use uuid::Uuid;

use super::entity::leases::{ActiveModel, Column, Entity};
use super::{Executor, Result};
use crate::domain::clock::Timestamp;

/// Takes or extends a lease until `until`. `false` if another process holds it.
pub async fn take(
    db: &impl Executor,
    name: &str,
    holder: Uuid,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool> {
    let row = ActiveModel {
        name: Set(name.to_owned()),
        holder: Set(holder),
        held_until: Set(until),
    };
    let of_lease = |column: Column| Expr::col((Entity, column));
    let is_free = of_lease(Column::HeldUntil).lte(now);
    let is_theirs = of_lease(Column::Holder).eq(holder);
    let taken = Entity::insert(row)
        .on_conflict(
            OnConflict::column(Column::Name)
                .update_columns([Column::Holder, Column::HeldUntil])
                .action_and_where(is_free.or(is_theirs))
                .to_owned(),
        )
        .exec_without_returning(db)
        .await?;
    Ok(taken > 0)
}

/// When a lease expires; `None` if it was never taken.
pub async fn held_until(db: &impl Executor, name: &str) -> Result<Option<Timestamp>> {
    let row = Entity::find_by_id(name.to_owned()).one(db).await?;
    Ok(row.map(|row| row.held_until))
}
