//! Queries on users.

use sea_orm::sea_query::{Expr, LockType};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::entity::users::{ActiveModel, Column, Entity};
use super::{Executor, Result, Tx, changed};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::UserId;
use crate::domain::user::User;

pub use super::entity::users::Column as Field;

/// [`Conflict`](super::DbError::Conflict) if another user has the email address.
pub async fn insert(db: &impl Executor, user: &User) -> Result<()> {
    let row = ActiveModel::from(user.clone());
    row.insert(db).await?;
    Ok(())
}

pub async fn find(db: &impl Executor, id: UserId) -> Result<Option<User>> {
    let row = Entity::find_by_id(id).one(db).await?;
    Ok(row.map(User::from))
}

/// In no particular order.
pub async fn find_all(db: &impl Executor, ids: &[UserId]) -> Result<Vec<User>> {
    let rows = Entity::find()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(User::from).collect())
}

pub async fn find_by_email(db: &impl Executor, email: &EmailAddress) -> Result<Option<User>> {
    let row = Entity::find()
        .filter(Column::Email.eq(email.as_str()))
        .one(db)
        .await?;
    Ok(row.map(User::from))
}

/// Finds a user who cannot be deleted until the transaction ends.
pub async fn find_by_email_for_key_share(tx: &Tx, email: &EmailAddress) -> Result<Option<User>> {
    let row = Entity::find()
        .filter(Column::Email.eq(email.as_str()))
        .lock(LockType::KeyShare)
        .one(tx)
        .await?;
    Ok(row.map(User::from))
}

/// Locks a user against all changes until the transaction ends.
pub async fn lock(tx: &Tx, id: UserId) -> Result<()> {
    Entity::find_by_id(id).lock_exclusive().one(tx).await?;
    Ok(())
}

/// Stores the given fields of a user and `updated_at`, and leaves the others as they are in the
/// database, so that concurrent changes do not undo each other. [`Conflict`](super::DbError::Conflict) if another
/// user has the email address.
pub async fn update(db: &impl Executor, user: &User, fields: &[Field]) -> Result<()> {
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

/// Records a sign-in. `false` if the user was disabled or deleted in the meantime.
pub async fn record_login(db: &impl Executor, id: UserId, now: Timestamp) -> Result<bool> {
    let result = Entity::update_many()
        .col_expr(Column::LastLoginAt, now.into())
        .filter(Column::Id.eq(id))
        .filter(Column::IsActive.eq(true))
        .exec(db)
        .await?;
    Ok(changed(&result))
}

/// Deletes a user with their codes, sessions and memberships.
pub async fn delete(db: &impl Executor, id: UserId) -> Result<()> {
    Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}
