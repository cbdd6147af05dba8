//! Queries on sessions.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::cleanup::delete_first;
use super::entity::sessions::{ActiveModel, Column, Entity, Model};
use super::entity::users;
use super::{DbError, Executor, changed, from_column, to_column};
use crate::domain::clock::Timestamp;
use crate::domain::id::{SessionId, UserId};
use crate::domain::session::{RevokeReason, Session};
use crate::domain::user::User;

/// Adds a session.
pub async fn insert(db: &impl Executor, session: &Session) -> Result<(), DbError> {
    let row = ActiveModel {
        id: Set(session.id.into()),
        user_id: Set(session.user_id.into()),
        generation: Set(to_column(session.generation)),
        rotated_at: Set(session.rotated_at),
        created_at: Set(session.created_at),
        last_used_at: Set(session.last_used_at),
        expires_at: Set(session.expires_at),
        revoked_at: Set(session.revoked_at),
        revoke_reason: Set(None),
        user_agent: Set(session.user_agent.clone()),
        ip_address: Set(session.ip_address.clone()),
    };
    row.insert(db.connection()).await?;
    Ok(())
}

/// A session and whose it is.
pub async fn find_with_user(
    db: &impl Executor,
    id: SessionId,
) -> Result<Option<(Session, User)>, DbError> {
    let found = Entity::find_by_id(id)
        .find_also_related(users::Entity)
        .one(db.connection())
        .await?;
    Ok(found.and_then(|(session, user)| Some((session.into(), user?.into()))))
}

/// Advances the refresh token from `generation` to the next. `true` for exactly one caller,
/// however many present the same token at once.
pub async fn rotate(
    db: &impl Executor,
    id: SessionId,
    generation: u32,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<bool, DbError> {
    let result = Entity::update_many()
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .col_expr(Column::RotatedAt, now.into())
        .col_expr(Column::LastUsedAt, now.into())
        .col_expr(Column::ExpiresAt, expires_at.into())
        .filter(Column::Id.eq(id))
        .filter(Column::Generation.eq(to_column(generation)))
        .filter(Column::RevokedAt.is_null())
        .exec(db.connection())
        .await?;
    Ok(changed(&result))
}

/// Notes that a session was seen.
pub async fn touch(db: &impl Executor, id: SessionId, now: Timestamp) -> Result<(), DbError> {
    Entity::update_many()
        .col_expr(Column::LastUsedAt, now.into())
        .filter(Column::Id.eq(id))
        .exec(db.connection())
        .await?;
    Ok(())
}

/// The live sessions of an account, the newest first.
pub async fn live_of_user(
    db: &impl Executor,
    user_id: UserId,
    now: Timestamp,
) -> Result<Vec<Session>, DbError> {
    let rows = Entity::find()
        .filter(Column::UserId.eq(user_id))
        .filter(Column::RevokedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .all(db.connection())
        .await?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// Ends every live session of an account but `kept`; the ones that were ended.
pub async fn revoke_all_of_user(
    db: &impl Executor,
    user_id: UserId,
    kept: Option<SessionId>,
    now: Timestamp,
    reason: RevokeReason,
) -> Result<Vec<SessionId>, DbError> {
    let others = Condition::all()
        .add(Column::UserId.eq(user_id))
        .add(Column::RevokedAt.is_null())
        .add(Column::ExpiresAt.gt(now))
        .add_option(kept.map(|kept| Column::Id.ne(kept)));
    let ended: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(others.clone())
        .into_tuple()
        .all(db.connection())
        .await?;
    Entity::update_many()
        .col_expr(Column::RevokedAt, now.into())
        .col_expr(Column::RevokeReason, reason.name().into())
        .filter(others)
        .exec(db.connection())
        .await?;
    Ok(ended.into_iter().map(Into::into).collect())
}

/// Ends a session. `false` if it had ended before.
pub async fn revoke(
    db: &impl Executor,
    id: SessionId,
    now: Timestamp,
    reason: RevokeReason,
) -> Result<bool, DbError> {
    let result = Entity::update_many()
        .col_expr(Column::RevokedAt, now.into())
        .col_expr(Column::RevokeReason, reason.name().into())
        .filter(Column::Id.eq(id))
        .filter(Column::RevokedAt.is_null())
        .exec(db.connection())
        .await?;
    Ok(changed(&result))
}

/// Deletes up to `limit` sessions that were ended by `end`, and as many that expired by then; how
/// many there were.
pub async fn delete_ended(db: &impl Executor, end: Timestamp, limit: u64) -> Result<u64, DbError> {
    let mut deleted = 0;
    for column in [Column::RevokedAt, Column::ExpiresAt] {
        let is_over = column.lte(end);
        deleted +=
            delete_first::<Entity>(db, Column::Id, is_over, Expr::col(column), limit).await?;
    }
    Ok(deleted)
}

impl From<Model> for Session {
    fn from(row: Model) -> Self {
        Self {
            id: row.id.into(),
            user_id: row.user_id.into(),
            generation: from_column(row.generation),
            rotated_at: row.rotated_at,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            user_agent: row.user_agent,
            ip_address: row.ip_address,
        }
    }
}
