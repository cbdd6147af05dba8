//! Queries on invitations.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter,
    QuerySelect, Select,
};

use super::cleanup::delete_first;
use super::entity::invitations::{ActiveModel, Column, Entity};
use super::entity::outbox_mails;
use super::{Executor, Result, changed, keyset};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{InvitationId, TeamId};
use crate::domain::mail::MailState;
use crate::domain::team::{Invitation, Page, Slice};

/// How an invitation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationOutcome {
    Accepted,
    Declined,
    Revoked,
}

/// [`Conflict`](super::DbError::Conflict) if the email address has an open invitation to the team.
pub async fn insert(db: &impl Executor, invitation: &Invitation) -> Result<()> {
    let row = ActiveModel::from(invitation.clone());
    row.insert(db).await?;
    Ok(())
}

/// Renews a pending invitation: its new nonce invalidates the old token. `false` if it was answered,
/// revoked or deleted in the meantime.
pub async fn renew(db: &impl Executor, invitation: &Invitation) -> Result<bool> {
    let change = ActiveModel {
        role: Set(invitation.role),
        invited_by: Set(invitation.invited_by),
        nonce: Set(invitation.nonce),
        created_at: Set(invitation.created_at),
        expires_at: Set(invitation.expires_at),
        ..Default::default()
    };
    let result = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(invitation.id))
        .filter(is_pending())
        .exec(db)
        .await?;
    Ok(changed(&result))
}

pub async fn find(db: &impl Executor, id: InvitationId) -> Result<Option<Invitation>> {
    let row = Entity::find_by_id(id).one(db).await?;
    Ok(row.map(Invitation::from))
}

/// The invitation of an email address to a team that was not answered or revoked; it may have
/// expired.
pub async fn find_pending(
    db: &impl Executor,
    team: TeamId,
    email: &EmailAddress,
) -> Result<Option<Invitation>> {
    let row = pending(team)
        .filter(Column::Email.eq(email.as_str()))
        .one(db)
        .await?;
    Ok(row.map(Invitation::from))
}

/// Ends a pending invitation. `true` for exactly one of many concurrent callers, and for none once
/// it has ended, expired or been renewed.
pub async fn close(
    db: &impl Executor,
    invitation: &Invitation,
    outcome: InvitationOutcome,
    now: Timestamp,
) -> Result<bool> {
    let column = match outcome {
        InvitationOutcome::Accepted => Column::AcceptedAt,
        InvitationOutcome::Declined => Column::DeclinedAt,
        InvitationOutcome::Revoked => Column::RevokedAt,
    };
    let result = Entity::update_many()
        .col_expr(column, now.into())
        .filter(Column::Id.eq(invitation.id))
        .filter(Column::Nonce.eq(invitation.nonce))
        .filter(Column::ExpiresAt.gt(now))
        .filter(is_pending())
        .exec(db)
        .await?;
    Ok(changed(&result))
}

/// A page of a team's open invitations, oldest first.
pub async fn open_of_team(
    db: &impl Executor,
    team: TeamId,
    now: Timestamp,
    page: Page<InvitationId>,
) -> Result<Slice<Invitation>> {
    let query = pending(team).filter(Column::ExpiresAt.gt(now));
    let rows = keyset::of_page(query, Column::Id, page).all(db).await?;
    Ok(keyset::slice(rows, &page).map(Invitation::from))
}

pub async fn count_open(db: &impl Executor, team: TeamId, now: Timestamp) -> Result<u64> {
    let query = pending(team).filter(Column::ExpiresAt.gt(now));
    Ok(query.count(db).await?)
}

/// Deletes the invitations of an email address that have ended. Pending ones belong to the teams: a
/// new user with the same email address may accept them.
pub async fn delete_ended_of(db: &impl Executor, email: &EmailAddress) -> Result<()> {
    Entity::delete_many()
        .filter(Column::Email.eq(email.as_str()))
        .filter(is_pending().not())
        .exec(db)
        .await?;
    Ok(())
}

/// Cancels the queued mails of all invitations of a team.
pub async fn cancel_mails_of_team(db: &impl Executor, team: TeamId) -> Result<()> {
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
pub async fn cancel_mails_of(db: &impl Executor, id: InvitationId) -> Result<()> {
    cancel_mails(db, outbox_mails::Column::RefersTo.eq(id)).await
}

async fn cancel_mails(db: &impl Executor, which: sea_orm::sea_query::SimpleExpr) -> Result<()> {
    outbox_mails::Entity::update_many()
        .col_expr(outbox_mails::Column::State, MailState::Cancelled.into())
        .filter(which)
        .filter(outbox_mails::Column::State.eq(MailState::Pending))
        .exec(db)
        .await?;
    Ok(())
}

/// Deletes up to `limit` invitations that ended by `end` and up to `limit` that expired by then.
/// Returns how many were deleted.
pub async fn delete_ended(db: &impl Executor, end: Timestamp, limit: u64) -> Result<u64> {
    // Must match the expression of the index exactly.
    let closed_at = Expr::cust("COALESCE(accepted_at, declined_at, revoked_at)");
    let mut deleted = 0;
    for ended_at in [closed_at, Expr::col(Column::ExpiresAt)] {
        let is_over = ended_at.clone().lte(end);
        deleted += delete_first::<Entity>(db, Column::Id, is_over, ended_at, limit).await?;
    }
    Ok(deleted)
}

fn pending(team: TeamId) -> Select<Entity> {
    Entity::find()
        .filter(Column::TeamId.eq(team))
        .filter(is_pending())
}

fn is_pending() -> Condition {
    Condition::all()
        .add(Column::AcceptedAt.is_null())
        .add(Column::DeclinedAt.is_null())
        .add(Column::RevokedAt.is_null())
}
