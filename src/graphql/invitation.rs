//! Invitations.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::accounts::Accounts;
use super::connection::{PageArguments, PageInfo, TeamRole, cursor, to_id};
use super::context::ContextExt;
use super::error::ApiError;
use super::user::User;
use crate::domain::operation::OperationContext;
use crate::domain::team::{Invitation, Slice};
use crate::service::{self, TeamAdmin};

/// An address asked to join a team.
#[derive(Clone)]
pub(super) struct TeamInvitation {
    invitation: Invitation,
    /// Who invited to the team, on the page that this is on.
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

impl TeamInvitation {
    fn id(&self) -> Uuid {
        self.invitation.id.into()
    }
}

/// An address asked to join a team.
#[Object]
impl TeamInvitation {
    /// The invitation's identifier.
    #[graphql(name = "id")]
    async fn opaque_id(&self) -> ID {
        to_id(self.invitation.id)
    }

    /// Whose invitation it is.
    async fn email(&self) -> &str {
        self.invitation.email.as_str()
    }

    /// What it will be allowed to do there.
    async fn role(&self) -> TeamRole {
        self.invitation.role.into()
    }

    /// Who invited; null once that account is erased.
    async fn invited_by(&self, ctx: &Context<'_>) -> Option<Result<User, ApiError>> {
        let (services, id) = (ctx.services(), self.invitation.invited_by?);
        let account = self.inviters.get(services, id).await.transpose()?;
        Some(account.map(User::of_another))
    }

    /// When it was sent, or sent again.
    async fn created_at(&self) -> DateTime<Utc> {
        self.invitation.created_at
    }

    /// From then on it is worth nothing.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.invitation.expires_at
    }
}

/// An invitation and its place in a list.
#[derive(SimpleObject)]
pub(super) struct TeamInvitationEdge {
    /// Its place in the list.
    cursor: String,
    /// The invitation.
    node: TeamInvitation,
}

/// A page of open invitations.
pub(super) struct TeamInvitationConnection {
    slice: Slice<TeamInvitation>,
    admin: TeamAdmin,
}

impl TeamInvitationConnection {
    pub(super) async fn of(
        ctx: &OperationContext,
        admin: TeamAdmin,
        arguments: PageArguments,
    ) -> Result<Self, ApiError> {
        let Slice {
            items,
            has_previous,
            has_next,
        } = admin.invitations(ctx, arguments.page()?).await?;
        let inviters = Accounts::of(items.iter().filter_map(|item| item.invited_by));
        let with_inviters = |invitation| TeamInvitation {
            invitation,
            inviters: inviters.clone(),
        };
        let items = items.into_iter().map(with_inviters).collect();
        Ok(Self {
            slice: Slice {
                items,
                has_previous,
                has_next,
            },
            admin,
        })
    }
}

/// A page of open invitations.
#[Object]
impl TeamInvitationConnection {
    /// The invitations with their places in the list.
    async fn edges(&self) -> Vec<TeamInvitationEdge> {
        let edge = |node: &TeamInvitation| TeamInvitationEdge {
            cursor: cursor(node.id()),
            node: node.clone(),
        };
        self.slice.items.iter().map(edge).collect()
    }

    /// The invitations.
    async fn nodes(&self) -> &[TeamInvitation] {
        &self.slice.items
    }

    /// Where the page lies in the list.
    async fn page_info(&self) -> PageInfo {
        PageInfo::of(&self.slice, TeamInvitation::id)
    }

    /// How many there are in the whole list; counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        Ok(self.admin.count_invitations(ctx.operation()).await?)
    }
}

/// What an invitation link shows before it is accepted.
#[derive(SimpleObject)]
pub(super) struct InvitationPreview {
    /// The team.
    team_name: String,
    /// Who invites.
    inviter_name: Option<String>,
    /// Whose invitation it is.
    email: String,
    /// What it will be allowed to do there.
    role: TeamRole,
    /// From then on it is worth nothing.
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
