//! Queries on verification codes.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Statement,
};

use super::cleanup::delete_first;
use super::entity::invitations;
use super::entity::verification_codes::{ActiveModel, Column, Entity};
use super::{Executor, Result, Tx, changed};
use crate::domain::clock::Timestamp;
use crate::domain::code::{Purpose, VerificationCode};
use crate::domain::email::EmailAddress;
use crate::domain::id::{CodeId, UserId};

/// Inserts a code and supersedes the open one for the same purpose and email address.
pub async fn supersede(tx: &Tx, code: &VerificationCode) -> Result<()> {
    take_turns(tx, code).await?;
    Entity::update_many()
        .col_expr(Column::SupersededAt, code.created_at.into())
        .filter(Column::Purpose.eq(code.purpose))
        .filter(Column::Email.eq(code.email.as_str()))
        .filter(Column::UsedAt.is_null())
        .filter(Column::SupersededAt.is_null())
        .exec(tx)
        .await?;
    let row = ActiveModel::from(code.clone());
    row.insert(tx).await?;
    Ok(())
}

/// Waits until no other transaction is superseding the same code: otherwise all but one of many
/// concurrent inserts would violate the unique index. On SQLite the write lock is enough.
async fn take_turns(tx: &Tx, code: &VerificationCode) -> Result<()> {
    let backend = tx.get_database_backend();
    if backend == DbBackend::Postgres {
        let place = format!("{} {}", code.purpose.into_str(), code.email.as_str());
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        let lock = Statement::from_sql_and_values(backend, lock, [place.into()]);
        tx.execute_raw(lock).await?;
    }
    Ok(())
}

pub async fn find(db: &impl Executor, id: CodeId) -> Result<Option<VerificationCode>> {
    let row = Entity::find_by_id(id).one(db).await?;
    Ok(row.map(VerificationCode::from))
}

/// The open code for a purpose and email address, or else the last one used.
///
/// Superseded codes are excluded instead of compared by age: `created_at` may come from another
/// process's clock, or from before a wait for the write lock.
pub async fn find_newest(
    db: &impl Executor,
    purpose: Purpose,
    email: &EmailAddress,
) -> Result<Option<VerificationCode>> {
    let row = Entity::find()
        .filter(Column::Purpose.eq(purpose))
        .filter(Column::Email.eq(email.as_str()))
        .filter(Column::SupersededAt.is_null())
        .order_by_desc(Column::UsedAt.is_null())
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .one(db)
        .await?;
    Ok(row.map(VerificationCode::from))
}

/// The newest code for a purpose and user, in any state.
pub async fn find_newest_of_user(
    db: &impl Executor,
    purpose: Purpose,
    user_id: UserId,
) -> Result<Option<VerificationCode>> {
    let row = Entity::find()
        .filter(Column::UserId.eq(user_id))
        .filter(Column::Purpose.eq(purpose))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .one(db)
        .await?;
    Ok(row.map(VerificationCode::from))
}

/// Invalidates every open code and reset link of a user.
pub async fn supersede_all_of_user(
    db: &impl Executor,
    user_id: UserId,
    now: Timestamp,
) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::SupersededAt, now.into())
        .filter(Column::UserId.eq(user_id))
        .filter(Column::UsedAt.is_null())
        .filter(Column::SupersededAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

/// Deletes every code of a user, and those sent to their email address before they signed up.
pub async fn erase_of_user(
    db: &impl Executor,
    user_id: UserId,
    email: &EmailAddress,
) -> Result<()> {
    let before_sign_up = Condition::all()
        .add(Column::Email.eq(email.as_str()))
        .add(Column::UserId.is_null());
    Entity::delete_many()
        .filter(
            Condition::any()
                .add(Column::UserId.eq(user_id))
                .add(before_sign_up),
        )
        .exec(db)
        .await?;
    Ok(())
}

/// Counts an attempt; call it before comparing. `false` if `max` attempts were already made: then
/// the answer must not be compared.
pub async fn count_attempt(db: &impl Executor, id: CodeId, max: u32) -> Result<bool> {
    let result = Entity::update_many()
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .filter(Column::Id.eq(id))
        .filter(Column::Attempts.lt(max))
        .exec(db)
        .await?;
    Ok(changed(&result))
}

/// Marks a code as used. `true` for exactly one of many concurrent callers, and for none if the code
/// is superseded or expired.
pub async fn consume(db: &impl Executor, id: CodeId, now: Timestamp) -> Result<bool> {
    let result = Entity::update_many()
        .col_expr(Column::UsedAt, now.into())
        .filter(Column::Id.eq(id))
        .filter(Column::UsedAt.is_null())
        .filter(Column::SupersededAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .exec(db)
        .await?;
    Ok(changed(&result))
}

/// Deletes up to `limit` codes that expired by `end`, in any state, and returns how many. A code
/// with an invitation is kept as long as the invitation, because the next code for the same user
/// inherits it.
pub async fn delete_expired(db: &impl Executor, end: Timestamp, limit: u64) -> Result<u64> {
    let invitation = invitations::Entity::find()
        .select_only()
        .column(invitations::Column::Id)
        .filter(
            Expr::col((invitations::Entity, invitations::Column::Id))
                .equals((Entity, Column::InvitationId)),
        )
        .into_query();
    let is_over = Condition::all()
        .add(Column::ExpiresAt.lte(end))
        .add(Expr::not_exists(invitation));
    let order = Expr::col(Column::ExpiresAt);
    delete_first::<Entity>(db, Column::Id, is_over, order, limit).await
}
