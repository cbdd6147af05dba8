//! Invitations to teams.

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, Object, Result};

use super::connection::{TeamRole, TotalCount, connection};
use super::user::{User, Users};
use crate::domain::clock::Timestamp;
use crate::domain::id::InvitationId;
use crate::domain::team::{Invitation, Page};
use crate::service::{InvitationPreview, TeamAdmin};

pub(super) struct TeamInvitation {
    invitation: Invitation,
    /// The users who sent the invitations of the page.
    inviters: Users,
}

impl From<Invitation> for TeamInvitation {
    fn from(invitation: Invitation) -> Self {
        Self {
            inviters: Users::of(invitation.invited_by),
            invitation,
        }
    }
}

/// An invitation to join a team.
#[Object]
impl TeamInvitation {
    /// The ID of the invitation.
    async fn id(&self) -> ID {
        self.invitation.id.into()
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
    async fn invited_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        let id = self.invitation.invited_by?;
        self.inviters.get(ctx, id).await.transpose()
    }

    /// When the invitation was last sent.
    async fn created_at(&self) -> Timestamp {
        self.invitation.created_at
    }

    /// When the invitation expires.
    async fn expires_at(&self) -> Timestamp {
        self.invitation.expires_at
    }
}

/// A page of pending invitations.
pub(super) type TeamInvitationConnection = Connection<String, TeamInvitation, TotalCount>;

/// A page of the pending invitations of a team.
pub(super) async fn invitations(
    admin: TeamAdmin,
    page: Page<InvitationId>,
) -> Result<TeamInvitationConnection> {
    let slice = admin.invitations(page).await?;
    let inviters = Users::of(slice.items.iter().filter_map(|item| item.invited_by));
    Ok(connection(
        slice,
        TotalCount::Invitations(admin),
        |invitation| {
            let (id, inviters) = (invitation.id.into(), inviters.clone());
            let node = TeamInvitation {
                invitation,
                inviters,
            };
            (id, node)
        },
    ))
}

/// What an invitation link shows before it is accepted.
#[Object]
impl InvitationPreview {
    /// The name of the team.
    async fn team_name(&self) -> &str {
        &self.team.name
    }

    /// The name of the user who sent the invitation.
    async fn inviter_name(&self) -> Option<&str> {
        Some(&self.inviter.profile.name)
    }

    /// The invited email address.
    async fn email(&self) -> &str {
        self.invitation.email.as_str()
    }

    /// The role that the invited person will have.
    async fn role(&self) -> TeamRole {
        self.invitation.role.into()
    }

    /// When the invitation expires.
    async fn expires_at(&self) -> Timestamp {
        self.invitation.expires_at
    }
}
