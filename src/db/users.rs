//! Queries on accounts.

use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter};

use super::entity::users::{ActiveModel, Column, Entity, Model};
use super::{DbError, Executor};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::UserId;
use crate::domain::user::{Profile, User};

/// Adds an account. [`DbError::Conflict`] if its address has one already.
pub async fn insert(db: &impl Executor, user: &User) -> Result<(), DbError> {
    let Profile {
        name,
        first_name,
        last_name,
        phone,
        company,
    } = user.profile.clone();
    let row = ActiveModel {
        id: Set(user.id.into()),
        email: Set(user.email.as_str().to_owned()),
        password_hash: Set(None),
        name: Set(name),
        first_name: Set(first_name),
        last_name: Set(last_name),
        phone: Set(phone),
        company: Set(company),
        is_active: Set(user.is_active),
        is_superuser: Set(user.is_superuser),
        email_verified_at: Set(user.email_verified_at),
        last_login_at: Set(user.last_login_at),
        created_at: Set(user.created_at),
        updated_at: Set(user.updated_at),
    };
    row.insert(db.connection()).await?;
    Ok(())
}

/// The account with this identifier.
pub async fn find(db: &impl Executor, id: UserId) -> Result<Option<User>, DbError> {
    let row = Entity::find_by_id(id).one(db.connection()).await?;
    Ok(row.map(User::from))
}

/// The account with this address.
pub async fn find_by_email(
    db: &impl Executor,
    email: &EmailAddress,
) -> Result<Option<User>, DbError> {
    let row = Entity::find()
        .filter(Column::Email.eq(email.as_str()))
        .one(db.connection())
        .await?;
    Ok(row.map(User::from))
}

/// Notes a sign-in that proved the account's address. Answers with the account as it is then.
pub async fn record_login(db: &impl Executor, user: User, now: Timestamp) -> Result<User, DbError> {
    let email_verified_at = user.email_verified_at.or(Some(now));
    Entity::update_many()
        .col_expr(Column::LastLoginAt, now.into())
        .col_expr(Column::EmailVerifiedAt, email_verified_at.into())
        .filter(Column::Id.eq(user.id))
        .exec(db.connection())
        .await?;
    Ok(User {
        last_login_at: Some(now),
        email_verified_at,
        ..user
    })
}

impl From<Model> for User {
    fn from(row: Model) -> Self {
        Self {
            id: row.id.into(),
            email: EmailAddress::from_canonical(row.email),
            profile: Profile {
                name: row.name,
                first_name: row.first_name,
                last_name: row.last_name,
                phone: row.phone,
                company: row.company,
            },
            has_password: row.password_hash.is_some(),
            is_active: row.is_active,
            is_superuser: row.is_superuser,
            email_verified_at: row.email_verified_at,
            last_login_at: row.last_login_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
