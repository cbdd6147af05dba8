//! Queries on invitations.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter,
    QuerySelect, Select,
};

use super::cleanup::delete_first;
use super::entity::invitations::{ActiveModel, Column, Entity, Model};
use super::entity::outbox_mails;
use super::{DbError, Executor, changed, keyset};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{InvitationId, TeamId};
use crate::domain::mail::MailState;
use crate::domain::team::{Invitation, Page, Slice};

/// How an invitation comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The address joined.
    Accepted,
    /// The address does not want to.
    Declined,
    /// An admin took it back.
    Revoked,
}

/// Adds an invitation. [`DbError::Conflict`] if the address has an open one for this team.
pub async fn insert(db: &impl Executor, invitation: &Invitation) -> Result<(), DbError> {
    let row = ActiveModel {
        id: Set(invitation.id.into()),
        team_id: Set(invitation.team_id.into()),
        email: Set(invitation.email.as_str().to_owned()),
        role: Set(invitation.role.name().to_owned()),
        invited_by: Set(invitation.invited_by.map(Into::into)),
        nonce: Set(invitation.nonce.to_vec()),
        created_at: Set(invitation.created_at),
        expires_at: Set(invitation.expires_at),
        accepted_at: Set(None),
        declined_at: Set(None),
        revoked_at: Set(None),
    };
    row.insert(db.connection()).await?;
    Ok(())
}

/// Gives an invitation that is not closed another nonce, which makes its old token worthless, and
/// another role, inviter and life. `false` if it was closed or deleted meanwhile.
pub async fn renew(db: &impl Executor, invitation: &Invitation) -> Result<bool, DbError> {
    let change = ActiveModel {
        role: Set(invitation.role.name().to_owned()),
        invited_by: Set(invitation.invited_by.map(Into::into)),
        nonce: Set(invitation.nonce.to_vec()),
        created_at: Set(invitation.created_at),
        expires_at: Set(invitation.expires_at),
        ..Default::default()
    };
    let result = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(invitation.id))
        .filter(Column::AcceptedAt.is_null())
        .filter(Column::DeclinedAt.is_null())
        .filter(Column::RevokedAt.is_null())
        .exec(db.connection())
        .await?;
    Ok(changed(&result))
}

/// The invitation with this identifier.
pub async fn find(db: &impl Executor, id: InvitationId) -> Result<Option<Invitation>, DbError> {
    let row = Entity::find_by_id(id).one(db.connection()).await?;
    row.map(TryInto::try_into).transpose()
}

/// The invitation of an address to a team that is not closed; it may have expired.
pub async fn find_unclosed(
    db: &impl Executor,
    team: TeamId,
    email: &EmailAddress,
) -> Result<Option<Invitation>, DbError> {
    let row = unclosed(team)
        .filter(Column::Email.eq(email.as_str()))
        .one(db.connection())
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// Closes an invitation. `true` for exactly one caller, and for none once it is closed, expired or
/// renewed.
pub async fn close(
    db: &impl Executor,
    invitation: &Invitation,
    closing: Closing,
    now: Timestamp,
) -> Result<bool, DbError> {
    let column = match closing {
        Closing::Accepted => Column::AcceptedAt,
        Closing::Declined => Column::DeclinedAt,
        Closing::Revoked => Column::RevokedAt,
    };
    let result = Entity::update_many()
        .col_expr(column, now.into())
        .filter(Column::Id.eq(invitation.id))
        .filter(Column::Nonce.eq(invitation.nonce.to_vec()))
        .filter(Column::ExpiresAt.gt(now))
        .filter(Column::AcceptedAt.is_null())
        .filter(Column::DeclinedAt.is_null())
        .filter(Column::RevokedAt.is_null())
        .exec(db.connection())
        .await?;
    Ok(changed(&result))
}

/// A page of a team's open invitations, the oldest first.
pub async fn open_of_team(
    db: &impl Executor,
    team: TeamId,
    now: Timestamp,
    page: Page<InvitationId>,
) -> Result<Slice<Invitation>, DbError> {
    let query = unclosed(team).filter(Column::ExpiresAt.gt(now));
    let rows = keyset::of_page(query, Column::Id, page)
        .all(db.connection())
        .await?;
    keyset::slice(rows, &page).try_map(TryInto::try_into)
}

/// How many open invitations a team has.
pub async fn count_open(db: &impl Executor, team: TeamId, now: Timestamp) -> Result<u64, DbError> {
    let query = unclosed(team).filter(Column::ExpiresAt.gt(now));
    Ok(query.count(db.connection()).await?)
}

/// Deletes the closed invitations of an address. The open ones are the teams': whoever takes the
/// address anew may accept them.
pub async fn erase_closed_of(db: &impl Executor, email: &EmailAddress) -> Result<(), DbError> {
    let closed = Condition::any()
        .add(Column::AcceptedAt.is_not_null())
        .add(Column::DeclinedAt.is_not_null())
        .add(Column::RevokedAt.is_not_null());
    Entity::delete_many()
        .filter(Column::Email.eq(email.as_str()))
        .filter(closed)
        .exec(db.connection())
        .await?;
    Ok(())
}

/// Cancels the queued mails of all invitations of a team.
pub async fn cancel_mails_of_team(db: &impl Executor, team: TeamId) -> Result<(), DbError> {
    let of_team = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::TeamId.eq(team));
    cancel_mails(
        db,
        outbox_mails::Column::RefersTo.in_subquery(sea_orm::QueryTrait::into_query(of_team)),
    )
    .await
}

/// Cancels the queued mails of one invitation.
pub async fn cancel_mails_of(db: &impl Executor, id: InvitationId) -> Result<(), DbError> {
    cancel_mails(db, outbox_mails::Column::RefersTo.eq(id)).await
}

async fn cancel_mails(
    db: &impl Executor,
    which: sea_orm::sea_query::SimpleExpr,
) -> Result<(), DbError> {
    outbox_mails::Entity::update_many()
        .col_expr(
            outbox_mails::Column::State,
            MailState::Cancelled.name().into(),
        )
        .filter(which)
        .filter(outbox_mails::Column::State.eq(MailState::Pending.name()))
        .exec(db.connection())
        .await?;
    Ok(())
}

/// Deletes up to `limit` invitations that were closed by `end`, and as many that expired by then;
/// how many there were.
pub async fn delete_closed(db: &impl Executor, end: Timestamp, limit: u64) -> Result<u64, DbError> {
    // Word for word the expression of the index.
    let closed_at = Expr::cust("COALESCE(accepted_at, declined_at, revoked_at)");
    let mut deleted = 0;
    for ended_at in [closed_at, Expr::col(Column::ExpiresAt)] {
        let is_over = ended_at.clone().lte(end);
        deleted += delete_first::<Entity>(db, Column::Id, is_over, ended_at, limit).await?;
    }
    Ok(deleted)
}

fn unclosed(team: TeamId) -> Select<Entity> {
    Entity::find()
        .filter(Column::TeamId.eq(team))
        .filter(Column::AcceptedAt.is_null())
        .filter(Column::DeclinedAt.is_null())
        .filter(Column::RevokedAt.is_null())
}

impl TryFrom<Model> for Invitation {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let corrupt = |error: &dyn std::fmt::Display| {
            DbError::Corrupt(format!("invitation {}: {error}", row.id))
        };
        Ok(Self {
            id: row.id.into(),
            team_id: row.team_id.into(),
            role: row.role.parse().map_err(|error| corrupt(&error))?,
            nonce: row
                .nonce
                .as_slice()
                .try_into()
                .map_err(|error| corrupt(&error))?,
            email: EmailAddress::from_canonical(row.email),
            invited_by: row.invited_by.map(Into::into),
            created_at: row.created_at,
            expires_at: row.expires_at,
            is_closed: [row.accepted_at, row.declined_at, row.revoked_at]
                .iter()
                .any(Option::is_some),
        })
    }
}
