//! Queries on the heartbeats of mail workers.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::worker_heartbeats::{ActiveModel, Column, Entity};
use super::{Executor, Result};
use crate::domain::clock::Timestamp;

pub async fn beat(db: &impl Executor, name: &str, now: Timestamp) -> Result<()> {
    let row = ActiveModel {
        name: Set(name.to_owned()),
        seen_at: Set(now),
    };
    let again = OnConflict::column(Column::Name)
        .update_column(Column::SeenAt)
        .to_owned();
    Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

pub async fn delete_before(db: &impl Executor, at: Timestamp) -> Result<()> {
    Entity::delete_many()
        .filter(Column::SeenAt.lt(at))
        .exec(db)
        .await?;
    Ok(())
}

/// The newest heartbeat of any process.
pub async fn last(db: &impl Executor) -> Result<Option<Timestamp>> {
    let seen: Option<Timestamp> = Entity::find()
        .select_only()
        .column(Column::SeenAt)
        .order_by_desc(Column::SeenAt)
        .into_tuple()
        .one(db)
        .await?;
    Ok(seen)
}
