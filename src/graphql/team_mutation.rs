//! Mutations of teams, members and invitations.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::connection::{TeamRole, to_id};
use super::context::ContextExt;
use super::error::{ApiError, PayloadError};
use super::invitation::TeamInvitation;
use super::payload::payloads;
use super::public;
use super::team::{Team, TeamMembership};
use crate::service::{Failure, Invited};

/// A team to be made.
#[derive(InputObject)]
pub(super) struct CreateTeamInput {
    /// What it is called, 1 to 120 characters.
    name: String,
    /// What it is for, at most 1000 characters.
    description: Option<String>,
}

/// Changes to a team; what is left out stays.
#[derive(InputObject)]
pub(super) struct UpdateTeamInput {
    /// The team.
    team_id: ID,
    /// What it is called, 1 to 120 characters.
    name: Option<String>,
    /// What it is for, at most 1000 characters; an empty text empties it.
    description: Option<String>,
}

/// A team to be deleted.
#[derive(InputObject)]
pub(super) struct DeleteTeamInput {
    /// The team.
    team_id: ID,
}

/// Somebody to be let into a team.
#[derive(InputObject)]
pub(super) struct InviteToTeamInput {
    /// The team.
    team_id: ID,
    /// Whom to invite.
    email: String,
    /// What they will be allowed to do there.
    role: TeamRole,
}

/// An invitation to be accepted.
#[derive(InputObject)]
pub(super) struct AcceptInvitationInput {
    /// The token in the mailed link.
    token: String,
}

/// An invitation to be declined.
#[derive(InputObject)]
pub(super) struct DeclineInvitationInput {
    /// The token in the mailed link.
    token: String,
}

/// An invitation to be taken back.
#[derive(InputObject)]
pub(super) struct RevokeInvitationInput {
    /// The invitation.
    invitation_id: ID,
}

/// What a member is to be allowed.
#[derive(InputObject)]
pub(super) struct ChangeMemberRoleInput {
    /// The team.
    team_id: ID,
    /// The member.
    user_id: ID,
    /// What they are to be allowed.
    role: TeamRole,
}

/// A member to be taken out of a team.
#[derive(InputObject)]
pub(super) struct RemoveMemberInput {
    /// The team.
    team_id: ID,
    /// The member.
    user_id: ID,
}

/// A team to be left.
#[derive(InputObject)]
pub(super) struct LeaveTeamInput {
    /// The team.
    team_id: ID,
}

/// The answer to `inviteToTeam`. Exactly one of membership and invitation is set on success.
#[derive(SimpleObject)]
pub(super) struct InviteToTeamPayload {
    /// The account had proved its address and is a member now.
    membership: Option<TeamMembership>,
    /// The address was asked by mail.
    invitation: Option<TeamInvitation>,
    /// What a person can mend; empty if and only if it was done.
    errors: Vec<PayloadError>,
}

impl InviteToTeamPayload {
    fn of(outcome: Result<Invited, Failure>) -> Result<Self, ApiError> {
        let (membership, invitation, errors) = match outcome {
            Ok(Invited::Joined(member, view)) => {
                (Some(TeamMembership::new(*member, *view)), None, Vec::new())
            }
            Ok(Invited::Asked(invitation)) => (None, Some(invitation.into()), Vec::new()),
            Err(Failure::Refused(errors)) => (
                None,
                None,
                errors.into_iter().map(PayloadError::from).collect(),
            ),
            Err(failure) => return Err(failure.into()),
        };
        Ok(Self {
            membership,
            invitation,
            errors,
        })
    }
}

payloads! {
    /// The answer to `createTeam`.
    CreateTeamPayload {
        /// The new team.
        team: Team
    }
    /// The answer to `updateTeam`.
    UpdateTeamPayload {
        /// The team as it is now.
        team: Team
    }
    /// The answer to `deleteTeam`.
    DeleteTeamPayload {
        /// The team that is no more.
        deleted_team_id: ID
    }
    /// The answer to `acceptInvitation`.
    AcceptInvitationPayload {
        /// The new membership.
        membership: TeamMembership
    }
    /// The answer to `declineInvitation`.
    DeclineInvitationPayload {
        /// What happened, in English.
        message: String
    }
    /// The answer to `revokeInvitation`.
    RevokeInvitationPayload {
        /// The invitation that is worth nothing any more.
        invitation: TeamInvitation
    }
    /// The answer to `changeMemberRole`.
    ChangeMemberRolePayload {
        /// The membership as it is now.
        membership: TeamMembership
    }
    /// The answer to `removeMember`.
    RemoveMemberPayload {
        /// The member that is none any more.
        removed_user_id: ID
    }
    /// The answer to `leaveTeam`.
    LeaveTeamPayload {
        /// The team that was left.
        left_team_id: ID
    }
}

/// Mutations of teams, members and invitations.
#[derive(Default)]
pub(super) struct TeamMutation;

#[Object]
impl TeamMutation {
    /// Makes a team whose first admin is the signed-in user.
    async fn create_team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A team to be made.")] input: CreateTeamInput,
    ) -> Result<CreateTeamPayload, ApiError> {
        let CreateTeamInput { name, description } = input;
        let services = ctx.services();
        let created = services
            .create_team(ctx.operation(), &name, description.as_deref())
            .await;
        CreateTeamPayload::of(created)
    }

    /// Changes a team's name or description. Admins only.
    async fn update_team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Changes to a team.")] input: UpdateTeamInput,
    ) -> Result<UpdateTeamPayload, ApiError> {
        let UpdateTeamInput {
            team_id,
            name,
            description,
        } = input;
        let updated = match ctx
            .services()
            .team_as_admin(ctx.operation(), &team_id)
            .await
        {
            Ok(team) => {
                team.update(ctx.operation(), name.as_deref(), description.as_deref())
                    .await
            }
            Err(refused) => Err(refused),
        };
        UpdateTeamPayload::of(updated)
    }

    /// Deletes a team, with its memberships and invitations. Admins only.
    async fn delete_team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A team to be deleted.")] input: DeleteTeamInput,
    ) -> Result<DeleteTeamPayload, ApiError> {
        let deleted = match ctx
            .services()
            .team_as_admin(ctx.operation(), &input.team_id)
            .await
        {
            Ok(team) => team.delete(ctx.operation()).await,
            Err(refused) => Err(refused),
        };
        DeleteTeamPayload::of(deleted.map(to_id))
    }

    /// An account that has proved that address joins at once (and is told by mail); any other
    /// address is invited by mail, also one whose account never proved it. Admins only.
    async fn invite_to_team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Somebody to be let into a team.")] input: InviteToTeamInput,
    ) -> Result<InviteToTeamPayload, ApiError> {
        let InviteToTeamInput {
            team_id,
            email,
            role,
        } = input;
        let invited = match ctx
            .services()
            .team_as_admin(ctx.operation(), &team_id)
            .await
        {
            Ok(team) => team.invite(ctx.operation(), &email, role.into()).await,
            Err(refused) => Err(refused),
        };
        InviteToTeamPayload::of(invited)
    }

    /// The token was mailed to the invited address, so it is proof enough: the account holding
    /// that address joins, whoever presents it. Signed in as somebody else:
    /// `INVITATION_EMAIL_MISMATCH`. No account yet: `ACCOUNT_NOT_FOUND` (sign up with
    /// `invitationToken`).
    #[graphql(directive = public::apply())]
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An invitation to be accepted.")] input: AcceptInvitationInput,
    ) -> Result<AcceptInvitationPayload, ApiError> {
        let services = ctx.services();
        let accepted = services
            .accept_invitation(ctx.operation(), &input.token)
            .await;
        AcceptInvitationPayload::of(
            accepted.map(|(member, view)| TeamMembership::new(member, view)),
        )
    }

    /// Declines an invitation; its link is worth nothing then.
    #[graphql(directive = public::apply())]
    async fn decline_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An invitation to be declined.")] input: DeclineInvitationInput,
    ) -> Result<DeclineInvitationPayload, ApiError> {
        let declined = ctx
            .services()
            .decline_invitation(ctx.operation(), &input.token)
            .await;
        DeclineInvitationPayload::of(declined.map(|()| "The invitation is declined.".to_owned()))
    }

    /// Takes an open invitation back. Admins only.
    async fn revoke_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An invitation to be taken back.")] input: RevokeInvitationInput,
    ) -> Result<RevokeInvitationPayload, ApiError> {
        let services = ctx.services();
        let revoked = services
            .revoke_invitation(ctx.operation(), &input.invitation_id)
            .await;
        RevokeInvitationPayload::of(revoked)
    }

    /// Lets a member do more or less. Admins only; the last admin stays one.
    async fn change_member_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What a member is to be allowed.")] input: ChangeMemberRoleInput,
    ) -> Result<ChangeMemberRolePayload, ApiError> {
        let ChangeMemberRoleInput {
            team_id,
            user_id,
            role,
        } = input;
        let changed = match ctx
            .services()
            .team_as_admin(ctx.operation(), &team_id)
            .await
        {
            Ok(team) => {
                team.change_role(ctx.operation(), &user_id, role.into())
                    .await
            }
            Err(refused) => Err(refused),
        };
        ChangeMemberRolePayload::of(changed.map(|(member, view)| TeamMembership::new(member, view)))
    }

    /// Takes a member out of a team. Admins only; not the last admin while others remain.
    async fn remove_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A member to be taken out of a team.")] input: RemoveMemberInput,
    ) -> Result<RemoveMemberPayload, ApiError> {
        let RemoveMemberInput { team_id, user_id } = input;
        let removed = match ctx
            .services()
            .team_as_admin(ctx.operation(), &team_id)
            .await
        {
            Ok(team) => team.remove_member(ctx.operation(), &user_id).await,
            Err(refused) => Err(refused),
        };
        RemoveMemberPayload::of(removed.map(to_id))
    }

    /// Leaves a team; not as its last admin while others remain. The last member takes the team
    /// along.
    async fn leave_team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A team to be left.")] input: LeaveTeamInput,
    ) -> Result<LeaveTeamPayload, ApiError> {
        let services = ctx.services();
        let left = services.leave_team(ctx.operation(), &input.team_id).await;
        LeaveTeamPayload::of(left.map(to_id))
    }
}
