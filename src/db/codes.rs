//! Queries on verification codes.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Statement,
};

use super::cleanup::delete_first;
use super::entity::invitations;
use super::entity::verification_codes::{ActiveModel, Column, Entity, Model};
use super::{DbError, Executor, Tx, changed, from_column, to_column};
use crate::domain::clock::Timestamp;
use crate::domain::code::{Purpose, VerificationCode};
use crate::domain::email::EmailAddress;
use crate::domain::id::{CodeId, UserId};

/// Adds a code in the place of the one that is open for the same purpose and address, if any.
pub async fn supersede(tx: &Tx, code: &VerificationCode) -> Result<(), DbError> {
    take_turns(tx, code).await?;
    Entity::update_many()
        .col_expr(Column::SupersededAt, code.created_at.into())
        .filter(Column::Purpose.eq(code.purpose.name()))
        .filter(Column::Email.eq(code.email.as_str()))
        .filter(Column::UsedAt.is_null())
        .filter(Column::SupersededAt.is_null())
        .exec(tx.connection())
        .await?;
    let row = ActiveModel {
        id: Set(code.id.into()),
        purpose: Set(code.purpose.name().to_owned()),
        email: Set(code.email.as_str().to_owned()),
        user_id: Set(code.user_id.map(Into::into)),
        nonce: Set(code.nonce.clone()),
        pending_profile: Set(code
            .pending_profile
            .as_ref()
            .map(|profile| serde_json::json!(profile))),
        invitation_id: Set(code.invitation_id.map(Into::into)),
        attempts: Set(to_column(code.attempts)),
        expires_at: Set(code.expires_at),
        used_at: Set(code.used_at),
        superseded_at: Set(code.superseded_at),
        created_at: Set(code.created_at),
    };
    row.insert(tx.connection()).await?;
    Ok(())
}

/// Waits until no other transaction is superseding the same code: of many at once, all but one
/// would find the place taken each time they try. SQLite's write lock is enough there.
async fn take_turns(tx: &Tx, code: &VerificationCode) -> Result<(), DbError> {
    let backend = tx.connection().get_database_backend();
    if backend == DbBackend::Postgres {
        let place = format!("{} {}", code.purpose.name(), code.email.as_str());
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        let lock = Statement::from_sql_and_values(backend, lock, [place.into()]);
        tx.connection().execute_raw(lock).await?;
    }
    Ok(())
}

/// The code with this identifier.
pub async fn find(db: &impl Executor, id: CodeId) -> Result<Option<VerificationCode>, DbError> {
    let row = Entity::find_by_id(id).one(db.connection()).await?;
    row.map(TryInto::try_into).transpose()
}

/// The open code for a purpose and address, or else the one that was used last.
///
/// A superseded one is never asked for: it is older than another, whatever its time says, which
/// may be that of another process's clock, or from before a wait for the write lock.
pub async fn find_newest(
    db: &impl Executor,
    purpose: Purpose,
    email: &EmailAddress,
) -> Result<Option<VerificationCode>, DbError> {
    let row = Entity::find()
        .filter(Column::Purpose.eq(purpose.name()))
        .filter(Column::Email.eq(email.as_str()))
        .filter(Column::SupersededAt.is_null())
        .order_by_desc(Column::UsedAt.is_null())
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .one(db.connection())
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// The newest code for a purpose and account, whatever became of it.
pub async fn find_newest_of_user(
    db: &impl Executor,
    purpose: Purpose,
    user_id: UserId,
) -> Result<Option<VerificationCode>, DbError> {
    let row = Entity::find()
        .filter(Column::UserId.eq(user_id))
        .filter(Column::Purpose.eq(purpose.name()))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .one(db.connection())
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// Makes every open code and reset link of an account worthless.
pub async fn supersede_all_of_user(
    db: &impl Executor,
    user_id: UserId,
    now: Timestamp,
) -> Result<(), DbError> {
    Entity::update_many()
        .col_expr(Column::SupersededAt, now.into())
        .filter(Column::UserId.eq(user_id))
        .filter(Column::UsedAt.is_null())
        .filter(Column::SupersededAt.is_null())
        .exec(db.connection())
        .await?;
    Ok(())
}

/// Deletes every code of an account, and those for its address that came before it.
pub async fn erase_of_user(
    db: &impl Executor,
    user_id: UserId,
    email: &EmailAddress,
) -> Result<(), DbError> {
    let before_it = Condition::all()
        .add(Column::Email.eq(email.as_str()))
        .add(Column::UserId.is_null());
    Entity::delete_many()
        .filter(
            Condition::any()
                .add(Column::UserId.eq(user_id))
                .add(before_it),
        )
        .exec(db.connection())
        .await?;
    Ok(())
}

/// Counts an answer before it is compared. `false` if the budget of `max` is spent: then it must
/// not be compared.
pub async fn count_attempt(db: &impl Executor, id: CodeId, max: u32) -> Result<bool, DbError> {
    let result = Entity::update_many()
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .filter(Column::Id.eq(id))
        .filter(Column::Attempts.lt(to_column(max)))
        .exec(db.connection())
        .await?;
    Ok(changed(&result))
}

/// Uses a code up. `true` for exactly one caller, however many ask at once, and for none once
/// the code is superseded or expired.
pub async fn consume(db: &impl Executor, id: CodeId, now: Timestamp) -> Result<bool, DbError> {
    let result = Entity::update_many()
        .col_expr(Column::UsedAt, now.into())
        .filter(Column::Id.eq(id))
        .filter(Column::UsedAt.is_null())
        .filter(Column::SupersededAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .exec(db.connection())
        .await?;
    Ok(changed(&result))
}

/// Deletes up to `limit` codes that expired by `end`, whatever became of them; how many there were.
/// A used or superseded one would have expired within a day. One that an invitation goes along
/// with is kept as long as the invitation: a new code for the same account takes it over.
pub async fn delete_expired(
    db: &impl Executor,
    end: Timestamp,
    limit: u64,
) -> Result<u64, DbError> {
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

impl TryFrom<Model> for VerificationCode {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let corrupt = |error: &dyn std::fmt::Display| {
            DbError::Corrupt(format!("verification code {}: {error}", row.id))
        };
        Ok(Self {
            id: row.id.into(),
            purpose: row.purpose.parse().map_err(|error| corrupt(&error))?,
            pending_profile: row
                .pending_profile
                .clone()
                .map(serde_json::from_value)
                .transpose()
                .map_err(|error| corrupt(&error))?,
            email: EmailAddress::from_canonical(row.email),
            user_id: row.user_id.map(Into::into),
            nonce: row.nonce,
            invitation_id: row.invitation_id.map(Into::into),
            attempts: from_column(row.attempts),
            expires_at: row.expires_at,
            used_at: row.used_at,
            superseded_at: row.superseded_at,
            created_at: row.created_at,
        })
    }
}
