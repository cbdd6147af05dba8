//! Queries on sessions.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::cleanup::delete_first;
use super::entity::sessions::{ActiveModel, Column, Entity};
use super::entity::users;
use super::{Executor, Result, changed};
use crate::domain::clock::Timestamp;
use crate::domain::id::{SessionId, UserId};
use crate::domain::session::{RevokeReason, Session};
use crate::domain::user::User;

pub async fn insert(db: &impl Executor, session: &Session) -> Result<()> {
    let row = ActiveModel::from(session.clone());
    row.insert(db).await?;
    Ok(())
}

pub async fn find_with_user(db: &impl Executor, id: SessionId) -> Result<Option<(Session, User)>> {
    let found = Entity::find_by_id(id)
        .find_also_related(users::Entity)
        .one(db)
        .await?;
    Ok(found.and_then(|(session, user)| Some((session.into(), user?.into()))))
}

/// Advances the refresh token from `generation` to the next. `true` for exactly one of many
/// concurrent callers.
pub async fn rotate(
    db: &impl Executor,
    id: SessionId,
    generation: u32,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<bool> {
    let result = Entity::update_many()
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .col_expr(Column::RotatedAt, now.into())
        .col_expr(Column::LastUsedAt, now.into())
        .col_expr(Column::ExpiresAt, expires_at.into())
        .filter(Column::Id.eq(id))
        .filter(Column::Generation.eq(generation))
        .filter(Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    Ok(changed(&result))
}

/// Records that a session was used.
pub async fn touch(db: &impl Executor, id: SessionId, now: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LastUsedAt, now.into())
        .filter(Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// The live sessions of a user, newest first.
pub async fn live_of_user(
    db: &impl Executor,
    user_id: UserId,
    now: Timestamp,
) -> Result<Vec<Session>> {
    let rows = Entity::find()
        .filter(Column::UserId.eq(user_id))
        .filter(Column::RevokedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// Revokes every live session of a user except `kept`. Returns the revoked ones.
pub async fn revoke_all_of_user(
    db: &impl Executor,
    user_id: UserId,
    kept: Option<SessionId>,
    now: Timestamp,
    reason: RevokeReason,
) -> Result<Vec<SessionId>> {
    let others = Condition::all()
        .add(Column::UserId.eq(user_id))
        .add(Column::RevokedAt.is_null())
        .add(Column::ExpiresAt.gt(now))
        .add_option(kept.map(|kept| Column::Id.ne(kept)));
    let revoked: Vec<SessionId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(others.clone())
        .into_tuple()
        .all(db)
        .await?;
    Entity::update_many()
        .col_expr(Column::RevokedAt, now.into())
        .col_expr(Column::RevokeReason, reason.into())
        .filter(others)
        .exec(db)
        .await?;
    Ok(revoked)
}

/// `false` if the session was already revoked.
pub async fn revoke(
    db: &impl Executor,
    id: SessionId,
    now: Timestamp,
    reason: RevokeReason,
) -> Result<bool> {
    let result = Entity::update_many()
        .col_expr(Column::RevokedAt, now.into())
        .col_expr(Column::RevokeReason, reason.into())
        .filter(Column::Id.eq(id))
        .filter(Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    Ok(changed(&result))
}

/// Deletes up to `limit` sessions revoked by `end` and up to `limit` that expired by then. Returns
/// how many were deleted.
pub async fn delete_ended(db: &impl Executor, end: Timestamp, limit: u64) -> Result<u64> {
    let mut deleted = 0;
    for column in [Column::RevokedAt, Column::ExpiresAt] {
        let is_over = column.lte(end);
        deleted +=
            delete_first::<Entity>(db, Column::Id, is_over, Expr::col(column), limit).await?;
    }
    Ok(deleted)
}
