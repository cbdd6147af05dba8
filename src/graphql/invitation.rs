//! Invitations to teams.

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::accounts::Accounts;
use super::connection::{TeamRole, connection, to_id};
use super::context::ContextExt;
use super::error::ApiError;
use super::user::User;
use crate::domain::id::InvitationId;
use crate::domain::operation::OperationContext;
use crate::domain::team::{Invitation, Page};
use crate::service::{self, TeamAdmin};

pub(super) struct TeamInvitation {
    invitation: Invitation,
    /// The users who sent the invitations of the page.
    inviters: Accounts,
}

impl From<Invitation> for TeamInvitation {
    fn from(invitation: Invitation) -> Self {
        Self {
            inviters: Accounts::of(invitation.invited_by),
            invitation,
        }
    }
}

/// An invitation to join a team.
#[Object]
impl TeamInvitation {
    /// The ID of the invitation.
    async fn id(&self) -> ID {
        to_id(self.invitation.id)
    }

    /// The invited email address.
    async fn email(&self) -> &str {
        self.invitation.email.as_str()
    }

    /// The role that the invited person will have.
    async fn role(&self) -> TeamRole {
        self.invitation.role.into()
    }

    /// The user who sent the invitation; null if the user was deleted.
    async fn invited_by(&self, ctx: &Context<'_>) -> Option<Result<User, ApiError>> {
        let (services, id) = (ctx.services(), self.invitation.invited_by?);
        let account = self.inviters.get(services, id).await.transpose()?;
        Some(account.map(User::of_another))
    }

    /// When the invitation was last sent.
    async fn created_at(&self) -> DateTime<Utc> {
        self.invitation.created_at
    }

    /// When the invitation expires.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.invitation.expires_at
    }
}

/// A page of pending invitations.
pub(super) type TeamInvitationConnection = Connection<String, TeamInvitation, InvitationCount>;

/// How many pending invitations there are on all pages.
pub(super) struct InvitationCount(TeamAdmin);

/// How many pending invitations there are on all pages.
#[Object]
impl InvitationCount {
    /// The number of pending invitations on all pages. Counted only if it is requested.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        Ok(self.0.count_invitations(ctx.operation()).await?)
    }
}

/// A page of the pending invitations of a team.
pub(super) async fn invitations(
    ctx: &OperationContext,
    admin: TeamAdmin,
    page: Page<InvitationId>,
) -> Result<TeamInvitationConnection, ApiError> {
    let slice = admin.invitations(ctx, page).await?;
    let inviters = Accounts::of(slice.items.iter().filter_map(|item| item.invited_by));
    Ok(connection(slice, InvitationCount(admin), |invitation| {
        let inviters = inviters.clone();
        let id = invitation.id.into();
        (
            id,
            TeamInvitation {
                invitation,
                inviters,
            },
        )
    }))
}

/// What an invitation link shows before it is accepted.
#[derive(SimpleObject)]
pub(super) struct InvitationPreview {
    /// The name of the team.
    team_name: String,
    /// The name of the user who sent the invitation.
    inviter_name: Option<String>,
    /// The invited email address.
    email: String,
    /// The role that the invited person will have.
    role: TeamRole,
    /// When the invitation expires.
    expires_at: DateTime<Utc>,
}

impl From<service::InvitationPreview> for InvitationPreview {
    fn from(preview: service::InvitationPreview) -> Self {
        Self {
            team_name: preview.team.name,
            inviter_name: Some(preview.inviter.profile.name),
            email: preview.invitation.email.as_str().to_owned(),
            role: preview.invitation.role.into(),
            expires_at: preview.invitation.expires_at,
        }
    }
}
