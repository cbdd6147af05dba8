//! Queries on credentials. Lock the user first: see [`Tx`](super::Tx).

use std::collections::HashSet;

use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::entity::credentials::{ActiveModel, Column, Entity};
use super::{Executor, Result, changed};
use crate::domain::clock::Timestamp;
use crate::domain::credential::{Credential, CredentialKind};
use crate::domain::id::UserId;

/// [`Conflict`](super::DbError::Conflict) if the user has a password and this is another one.
pub async fn insert(db: &impl Executor, credential: &Credential) -> Result<()> {
    let row = ActiveModel::from(credential.clone());
    row.insert(db).await?;
    Ok(())
}

/// For a kind that a user has at most once.
pub async fn find(
    db: &impl Executor,
    user_id: UserId,
    kind: CredentialKind,
) -> Result<Option<Credential>> {
    let row = Entity::find()
        .filter(Column::UserId.eq(user_id))
        .filter(Column::Kind.eq(kind))
        .one(db)
        .await?;
    Ok(row.map(Credential::from))
}

/// Those of the users who have a credential of a kind.
pub async fn find_users(
    db: &impl Executor,
    user_ids: &[UserId],
    kind: CredentialKind,
) -> Result<HashSet<UserId>> {
    let ids = Entity::find()
        .select_only()
        .column(Column::UserId)
        .filter(Column::UserId.is_in(user_ids.iter().copied()))
        .filter(Column::Kind.eq(kind))
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().collect())
}

/// Records that a credential was used. `false` if it was replaced or deleted in the meantime.
pub async fn touch(db: &impl Executor, credential: &Credential, now: Timestamp) -> Result<bool> {
    let result = Entity::update_many()
        .col_expr(Column::LastUsedAt, now.into())
        .filter(Column::Id.eq(credential.id))
        .filter(Column::Data.eq(credential.data.as_str()))
        .exec(db)
        .await?;
    Ok(changed(&result))
}

/// Replaces the data of a credential. `false` if it was replaced or deleted in the meantime.
pub async fn replace_data(
    db: &impl Executor,
    credential: &Credential,
    data: String,
) -> Result<bool> {
    let result = Entity::update_many()
        .col_expr(Column::Data, data.into())
        .filter(Column::Id.eq(credential.id))
        .filter(Column::Data.eq(credential.data.as_str()))
        .exec(db)
        .await?;
    Ok(changed(&result))
}

/// Deletes the credentials of a user, all or those of one kind. Returns how many there were.
pub async fn delete_of_user(
    db: &impl Executor,
    user_id: UserId,
    kind: Option<CredentialKind>,
) -> Result<u64> {
    let mut query = Entity::delete_many().filter(Column::UserId.eq(user_id));
    if let Some(kind) = kind {
        query = query.filter(Column::Kind.eq(kind));
    }
    Ok(query.exec(db).await?.rows_affected)
}
