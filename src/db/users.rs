//! Queries on accounts.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::LockType;
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::entity::users::{ActiveModel, Column, Entity, Model};
use super::{DbError, Executor, Tx, changed};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::UserId;
use crate::domain::user::{Profile, ProfileChanges, User};

/// Adds an account, with the hash of its password if it has one. [`DbError::Conflict`] if its
/// address has an account already.
pub async fn insert(
    db: &impl Executor,
    user: &User,
    password_hash: Option<String>,
) -> Result<(), DbError> {
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
        password_hash: Set(password_hash),
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

/// The accounts with these identifiers, in no promised order.
pub async fn find_all(db: &impl Executor, ids: &[UserId]) -> Result<Vec<User>, DbError> {
    let rows = Entity::find()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .all(db.connection())
        .await?;
    Ok(rows.into_iter().map(User::from).collect())
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

/// The account with this address, held against being erased until the transaction ends.
pub async fn hold_by_email(tx: &Tx, email: &EmailAddress) -> Result<Option<User>, DbError> {
    let row = Entity::find()
        .filter(Column::Email.eq(email.as_str()))
        .lock(LockType::KeyShare)
        .one(tx.connection())
        .await?;
    Ok(row.map(User::from))
}

/// Holds an account against everything else until the transaction ends.
pub async fn lock(tx: &Tx, id: UserId) -> Result<(), DbError> {
    Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx.connection())
        .await?;
    Ok(())
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
        .exec(db.connection())
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
        .one(db.connection())
        .await?;
    Ok(row.map(|row| {
        let hash = row.password_hash.clone();
        (row.into(), hash)
    }))
}

/// The hash of an account's password, if it has one.
pub async fn password_hash(db: &impl Executor, id: UserId) -> Result<Option<String>, DbError> {
    let row = Entity::find_by_id(id).one(db.connection()).await?;
    Ok(row.and_then(|row| row.password_hash))
}

/// Sets the password of an account, or drops it.
pub async fn set_password(
    db: &impl Executor,
    id: UserId,
    hash: Option<String>,
    now: Timestamp,
) -> Result<(), DbError> {
    let change = ActiveModel {
        password_hash: Set(hash),
        ..Default::default()
    };
    update(db, id, change, now).await
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
        .exec(db.connection())
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
        .exec(db.connection())
        .await?;
    Ok(())
}

/// Notes that the address of an account was proved.
pub async fn set_email_verified(
    db: &impl Executor,
    id: UserId,
    now: Timestamp,
) -> Result<(), DbError> {
    let change = ActiveModel {
        email_verified_at: Set(Some(now)),
        ..Default::default()
    };
    update(db, id, change, now).await
}

/// Gives an account another, proved address. [`DbError::Conflict`] if that has an account already.
pub async fn set_email(
    db: &impl Executor,
    id: UserId,
    email: &EmailAddress,
    now: Timestamp,
) -> Result<(), DbError> {
    let change = ActiveModel {
        email: Set(email.as_str().to_owned()),
        email_verified_at: Set(Some(now)),
        ..Default::default()
    };
    update(db, id, change, now).await
}

/// Sets what an account says about itself, as far as it was `asked` to be changed: two changes at
/// once do not undo each other.
pub async fn set_profile(
    db: &impl Executor,
    id: UserId,
    profile: &Profile,
    asked: &ProfileChanges,
    now: Timestamp,
) -> Result<(), DbError> {
    let Profile {
        name,
        first_name,
        last_name,
        phone,
        company,
    } = profile.clone();
    let change = ActiveModel {
        name: set_if(asked.name.is_some(), name),
        first_name: set_if(asked.first_name.is_some(), first_name),
        last_name: set_if(asked.last_name.is_some(), last_name),
        phone: set_if(asked.phone.is_some(), phone),
        company: set_if(asked.company.is_some(), company),
        ..Default::default()
    };
    update(db, id, change, now).await
}

/// Lets an account be used, or not.
pub async fn set_active(
    db: &impl Executor,
    id: UserId,
    is_active: bool,
    now: Timestamp,
) -> Result<(), DbError> {
    let change = ActiveModel {
        is_active: Set(is_active),
        ..Default::default()
    };
    update(db, id, change, now).await
}

/// Makes an account a superuser, or an ordinary one again.
pub async fn set_superuser(
    db: &impl Executor,
    id: UserId,
    is_superuser: bool,
    now: Timestamp,
) -> Result<(), DbError> {
    let change = ActiveModel {
        is_superuser: Set(is_superuser),
        ..Default::default()
    };
    update(db, id, change, now).await
}

/// Erases an account, its codes and its sessions.
pub async fn delete(db: &impl Executor, id: UserId) -> Result<(), DbError> {
    Entity::delete_by_id(id).exec(db.connection()).await?;
    Ok(())
}

fn set_if<T: Into<sea_orm::Value>>(asked: bool, value: T) -> ActiveValue<T> {
    if asked { Set(value) } else { NotSet }
}

async fn update(
    db: &impl Executor,
    id: UserId,
    mut change: ActiveModel,
    now: Timestamp,
) -> Result<(), DbError> {
    change.updated_at = Set(now);
    Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(id))
        .exec(db.connection())
        .await?;
    Ok(())
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
