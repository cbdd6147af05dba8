//! Queries on signs of life of the processes that send mail.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::worker_heartbeats::{ActiveModel, Column, Entity};
use super::{DbError, Executor};
use crate::domain::clock::Timestamp;

/// Notes that a process of this name was alive at `now`.
pub async fn beat(db: &impl Executor, name: &str, now: Timestamp) -> Result<(), DbError> {
    let row = ActiveModel {
        name: Set(name.to_owned()),
        seen_at: Set(now),
    };
    let again = OnConflict::column(Column::Name)
        .update_column(Column::SeenAt)
        .to_owned();
    Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(db.connection())
        .await?;
    Ok(())
}

/// Forgets processes last seen before `at`.
pub async fn forget_before(db: &impl Executor, at: Timestamp) -> Result<(), DbError> {
    Entity::delete_many()
        .filter(Column::SeenAt.lt(at))
        .exec(db.connection())
        .await?;
    Ok(())
}

/// When any process was last seen.
pub async fn last(db: &impl Executor) -> Result<Option<Timestamp>, DbError> {
    let seen: Option<Timestamp> = Entity::find()
        .select_only()
        .column(Column::SeenAt)
        .order_by_desc(Column::SeenAt)
        .into_tuple()
        .one(db.connection())
        .await?;
    Ok(seen)
}
