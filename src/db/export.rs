//! Everything stored about a person, except secrets and what secrets are derived from.

use sea_orm::entity::prelude::*;
use sea_orm::{
    AccessMode, Condition, FromQueryResult, IsolationLevel, PartialModelTrait, QueryOrder, Select,
    TransactionTrait,
};
use serde::Serialize;

use super::deadline::{Bounded, bounded};
use super::entity::{
    credentials, invitations, outbox_mails, sessions, team_members, teams, users,
    verification_codes,
};
use super::{Db, Executor, Result};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;

/// Everything stored about an email address and its user, each list oldest first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    email: String,
    exported_at: Timestamp,
    account: Option<Account>,
    credentials: Vec<Credential>,
    sessions: Vec<Session>,
    memberships: Vec<Membership>,
    invitations_sent: Vec<Invitation>,
    invitations_received: Vec<Invitation>,
    mails: Vec<Mail>,
    codes: Vec<Code>,
}

impl Export {
    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.account.is_none()
            && self.invitations_received.is_empty()
            && self.mails.is_empty()
            && self.codes.is_empty()
    }
}

#[derive(Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "users::Entity")]
#[serde(rename_all = "camelCase")]
struct Account {
    id: Uuid,
    email: String,
    name: String,
    first_name: Option<String>,
    last_name: Option<String>,
    phone: Option<String>,
    company: Option<String>,
    #[sea_orm(skip)]
    has_password: bool,
    is_active: bool,
    is_superuser: bool,
    email_verified_at: Option<Timestamp>,
    last_login_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "credentials::Entity")]
#[serde(rename_all = "camelCase")]
struct Credential {
    kind: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "sessions::Entity")]
#[serde(rename_all = "camelCase")]
struct Session {
    id: Uuid,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
    revoked_at: Option<Timestamp>,
    revoke_reason: Option<String>,
    user_agent: Option<String>,
    ip_address: Option<String>,
    method: Option<String>,
    authenticated_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "team_members::Entity")]
#[serde(rename_all = "camelCase")]
struct Membership {
    team_id: Uuid,
    #[sea_orm(from_expr = "Expr::col((teams::Entity, teams::Column::Name))")]
    team_name: String,
    role: String,
    joined_at: Timestamp,
}

#[derive(Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "invitations::Entity")]
#[serde(rename_all = "camelCase")]
struct Invitation {
    id: Uuid,
    team_id: Uuid,
    email: String,
    role: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    accepted_at: Option<Timestamp>,
    declined_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "outbox_mails::Entity")]
#[serde(rename_all = "camelCase")]
struct Mail {
    id: Uuid,
    kind: String,
    recipient: String,
    params: Json,
    state: String,
    attempts: i32,
    provider: Option<String>,
    last_error: Option<String>,
    created_at: Timestamp,
    sent_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "verification_codes::Entity")]
#[serde(rename_all = "camelCase")]
struct Code {
    id: Uuid,
    purpose: String,
    email: String,
    pending_profile: Option<Json>,
    attempts: i32,
    created_at: Timestamp,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
    superseded_at: Option<Timestamp>,
}

/// Reads everything in one snapshot of the database.
pub async fn of_email(db: &Db, email: &EmailAddress, now: Timestamp) -> Result<Export> {
    // On SQLite every read transaction is a snapshot.
    let options =
        (!db.is_sqlite()).then_some((IsolationLevel::RepeatableRead, AccessMode::ReadOnly));
    let (isolation, access) = options.unzip();
    let begun = bounded(db.0.begin_with_config(isolation, access));
    let tx = Bounded(begun.await?);
    let export = read(&tx, email, now).await?;
    tx.commit().await?;
    Ok(export)
}

async fn read(db: &impl Executor, email: &EmailAddress, now: Timestamp) -> Result<Export> {
    let mut account = users::Entity::find()
        .filter(users::Column::Email.eq(email.as_str()))
        .into_partial_model::<Account>()
        .one(db)
        .await?;
    // No row belongs to the nil id.
    let id = account.as_ref().map_or(Uuid::nil(), |account| account.id);
    let credentials = credentials::Entity::find().filter(credentials::Column::UserId.eq(id));
    let credentials: Vec<Credential> = list(db, credentials, credentials::Column::Id).await?;
    if let Some(account) = &mut account {
        account.has_password = credentials.iter().any(|one| one.kind == "password");
    }
    let sessions = sessions::Entity::find().filter(sessions::Column::UserId.eq(id));
    let memberships = team_members::Entity::find()
        .inner_join(teams::Entity)
        .filter(team_members::Column::UserId.eq(id));
    let sent = invitations::Entity::find().filter(invitations::Column::InvitedBy.eq(id));
    let received =
        invitations::Entity::find().filter(invitations::Column::Email.eq(email.as_str()));
    let mails = outbox_mails::Entity::find().filter(
        Condition::any()
            .add(outbox_mails::Column::UserId.eq(id))
            .add(outbox_mails::Column::Recipient.eq(email.as_str())),
    );
    let codes = verification_codes::Entity::find().filter(
        Condition::any()
            .add(verification_codes::Column::UserId.eq(id))
            .add(verification_codes::Column::Email.eq(email.as_str())),
    );
    Ok(Export {
        email: email.as_str().to_owned(),
        exported_at: now,
        account,
        credentials,
        sessions: list(db, sessions, sessions::Column::Id).await?,
        memberships: list(db, memberships, team_members::Column::Id).await?,
        invitations_sent: list(db, sent, invitations::Column::Id).await?,
        invitations_received: list(db, received, invitations::Column::Id).await?,
        mails: list(db, mails, outbox_mails::Column::Id).await?,
        codes: list(db, codes, verification_codes::Column::Id).await?,
    })
}

async fn list<E: EntityTrait, M: FromQueryResult + PartialModelTrait + Send + Sync>(
    db: &impl Executor,
    query: Select<E>,
    id: E::Column,
) -> Result<Vec<M>> {
    let query = query.order_by_asc(id).into_partial_model::<M>();
    Ok(query.all(db).await?)
}
