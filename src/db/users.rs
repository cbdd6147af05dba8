//! Queries on users.

use sea_orm::sea_query::{Expr, LockType};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::entity::users::{ActiveModel, Column, Entity};
use super::{DbError, Executor, Tx, changed};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::UserId;
use crate::domain::user::User;

pub use super::entity::users::Column as Field;

/// [`DbError::Conflict`] if another user has the email address.
pub async fn insert(
    db: &impl Executor,
    user: &User,
    password_hash: Option<String>,
) -> Result<(), DbError> {
    let mut row = ActiveModel::from(user.clone());
    row.password_hash = sea_orm::Set(password_hash);
    row.insert(db).await?;
    Ok(())
}

pub async fn find(db: &impl Executor, id: UserId) -> Result<Option<User>, DbError> {
    let row = Entity::find_by_id(id).one(db).await?;
    Ok(row.map(User::from))
}

/// In no particular order.
pub async fn find_all(db: &impl Executor, ids: &[UserId]) -> Result<Vec<User>, DbError> {
    let rows = Entity::find()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(User::from).collect())
}

pub async fn find_by_email(
    db: &impl Executor,
    email: &EmailAddress,
) -> Result<Option<User>, DbError> {
    let row = Entity::find()
        .filter(Column::Email.eq(email.as_str()))
        .one(db)
        .await?;
    Ok(row.map(User::from))
}

/// Finds a user who cannot be deleted until the transaction ends.
pub async fn find_by_email_for_key_share(
    tx: &Tx,
    email: &EmailAddress,
) -> Result<Option<User>, DbError> {
    let row = Entity::find()
        .filter(Column::Email.eq(email.as_str()))
        .lock(LockType::KeyShare)
        .one(tx)
        .await?;
    Ok(row.map(User::from))
}

/// Locks a user against all changes until the transaction ends.
pub async fn lock(tx: &Tx, id: UserId) -> Result<(), DbError> {
    Entity::find_by_id(id).lock_exclusive().one(tx).await?;
    Ok(())
}

/// Stores the given fields of a user and `updated_at`, and leaves the others as they are in the
/// database, so that concurrent changes do not undo each other. [`DbError::Conflict`] if another
/// user has the email address.
pub async fn update(db: &impl Executor, user: &User, fields: &[Field]) -> Result<(), DbError> {
    let row = ActiveModel::from(user.clone());
    let mut query = Entity::update_many().filter(Column::Id.eq(user.id));
    for field in fields.iter().copied().chain([Field::UpdatedAt]) {
        if let Some(value) = row.get(field).into_value() {
            query = query.col_expr(field, Expr::value(value));
        }
    }
    query.exec(db).await?;
    Ok(())
}

/// Records a sign-in that verified the email address. Returns the changed user.
pub async fn record_login(db: &impl Executor, user: User, now: Timestamp) -> Result<User, DbError> {
    let email_verified_at = user.email_verified_at.or(Some(now));
    Entity::update_many()
        .col_expr(Column::LastLoginAt, now.into())
        .col_expr(Column::EmailVerifiedAt, email_verified_at.into())
        .filter(Column::Id.eq(user.id))
        .exec(db)
        .await?;
    Ok(User {
        last_login_at: Some(now),
        email_verified_at,
        ..user
    })
}

/// Notes a sign-in with the password that `hash` is of. `None` if the account has another one by
/// now, or was disabled.
pub async fn record_password_login(
    db: &impl Executor,
    user: User,
    hash: &str,
    now: Timestamp,
) -> Result<Option<User>, DbError> {
    let result = Entity::update_many()
        .col_expr(Column::LastLoginAt, now.into())
        .filter(Column::Id.eq(user.id))
        .filter(Column::PasswordHash.eq(hash))
        .filter(Column::IsActive.eq(true))
        .exec(db)
        .await?;
    Ok(changed(&result).then_some(User {
        last_login_at: Some(now),
        ..user
    }))
}

/// The account with this address, and the hash of its password if it has one.
pub async fn find_with_password(
    db: &impl Executor,
    email: &EmailAddress,
) -> Result<Option<(User, Option<String>)>, DbError> {
    let row = Entity::find()
        .filter(Column::Email.eq(email.as_str()))
        .one(db)
        .await?;
    Ok(row.map(|row| {
        let hash = row.password_hash.clone();
        (row.into(), hash)
    }))
}

/// The hash of an account's password, if it has one.
pub async fn password_hash(db: &impl Executor, id: UserId) -> Result<Option<String>, DbError> {
    let row = Entity::find_by_id(id).one(db).await?;
    Ok(row.and_then(|row| row.password_hash))
}

/// Sets or removes a user's password.
pub async fn set_password(
    db: &impl Executor,
    id: UserId,
    hash: Option<String>,
    now: Timestamp,
) -> Result<(), DbError> {
    Entity::update_many()
        .col_expr(Column::PasswordHash, hash.into())
        .col_expr(Column::UpdatedAt, now.into())
        .filter(Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// Sets another password in the place of the one that `old` is of. `false` if the account has
/// another one by now.
pub async fn replace_password(
    db: &impl Executor,
    id: UserId,
    old: Option<&str>,
    new: String,
    now: Timestamp,
) -> Result<bool, DbError> {
    let is_old = match old {
        Some(old) => Column::PasswordHash.eq(old),
        None => Column::PasswordHash.is_null(),
    };
    let result = Entity::update_many()
        .col_expr(Column::PasswordHash, new.into())
        .col_expr(Column::UpdatedAt, now.into())
        .filter(Column::Id.eq(id))
        .filter(is_old)
        .exec(db)
        .await?;
    Ok(changed(&result))
}

/// Puts a hash of the same password in the place of `old`, unless it changed meanwhile.
pub async fn renew_password_hash(
    db: &impl Executor,
    id: UserId,
    old: &str,
    new: String,
) -> Result<(), DbError> {
    Entity::update_many()
        .col_expr(Column::PasswordHash, new.into())
        .filter(Column::Id.eq(id))
        .filter(Column::PasswordHash.eq(old))
        .exec(db)
        .await?;
    Ok(())
}

/// Deletes a user with their codes, sessions and memberships.
pub async fn delete(db: &impl Executor, id: UserId) -> Result<(), DbError> {
    Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}
