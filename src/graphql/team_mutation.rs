//! Mutations of teams, members and invitations.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::connection::TeamRole;
use super::context::ContextExt;
use super::invitation::TeamInvitation;
use super::payload::{PayloadError, payloads, split};
use super::public;
use super::team::{Team, TeamMembership};
use crate::service::Invited;

/// Input of `createTeam`.
#[derive(InputObject)]
pub(super) struct CreateTeamInput {
    /// The name of the team, 1 to 120 characters.
    name: String,
    /// What the team is for, at most 1000 characters.
    description: Option<String>,
}

/// Input of `updateTeam`. A field that is omitted stays as it is.
#[derive(InputObject)]
pub(super) struct UpdateTeamInput {
    /// The ID of the team.
    team_id: ID,
    /// The name of the team, 1 to 120 characters.
    name: Option<String>,
    /// What the team is for, at most 1000 characters. An empty text clears it.
    description: Option<String>,
}

/// Input of `deleteTeam`.
#[derive(InputObject)]
pub(super) struct DeleteTeamInput {
    /// The ID of the team.
    team_id: ID,
}

/// Input of `inviteToTeam`.
#[derive(InputObject)]
pub(super) struct InviteToTeamInput {
    /// The ID of the team.
    team_id: ID,
    /// The email address to invite.
    email: String,
    /// The role of the new member.
    role: TeamRole,
}

/// Input of `acceptInvitation`.
#[derive(InputObject)]
pub(super) struct AcceptInvitationInput {
    /// The token in the emailed link.
    token: String,
}

/// Input of `declineInvitation`.
#[derive(InputObject)]
pub(super) struct DeclineInvitationInput {
    /// The token in the emailed link.
    token: String,
}

/// Input of `revokeInvitation`.
#[derive(InputObject)]
pub(super) struct RevokeInvitationInput {
    /// The ID of the invitation.
    invitation_id: ID,
}

/// Input of `changeMemberRole`.
#[derive(InputObject)]
pub(super) struct ChangeMemberRoleInput {
    /// The ID of the team.
    team_id: ID,
    /// The ID of the member's user.
    user_id: ID,
    /// The new role.
    role: TeamRole,
}

/// Input of `removeMember`.
#[derive(InputObject)]
pub(super) struct RemoveMemberInput {
    /// The ID of the team.
    team_id: ID,
    /// The ID of the member's user.
    user_id: ID,
}

/// Input of `leaveTeam`.
#[derive(InputObject)]
pub(super) struct LeaveTeamInput {
    /// The ID of the team.
    team_id: ID,
}

/// The result of `inviteToTeam`. On success, either `membership` or `invitation` is set.
#[derive(SimpleObject)]
pub(super) struct InviteToTeamPayload {
    /// The new membership, if the email address belongs to a user who has verified it.
    membership: Option<TeamMembership>,
    /// The invitation that was sent by email otherwise.
    invitation: Option<TeamInvitation>,
    /// Errors that the user can correct. Empty if and only if the mutation succeeded.
    errors: Vec<PayloadError>,
}

payloads! {
    /// The result of `createTeam`: the new team.
    CreateTeamPayload { team: Team }
    /// The result of `updateTeam`: the updated team.
    UpdateTeamPayload { team: Team }
    /// The result of `deleteTeam`: the ID of the deleted team.
    DeleteTeamPayload { deleted_team_id: ID }
    /// The result of `acceptInvitation`: the new membership.
    AcceptInvitationPayload { membership: TeamMembership }
    /// The result of `declineInvitation`: a message for the user, in English.
    DeclineInvitationPayload { message: String }
    /// The result of `revokeInvitation`: the revoked invitation.
    RevokeInvitationPayload { invitation: TeamInvitation }
    /// The result of `changeMemberRole`: the updated membership.
    ChangeMemberRolePayload { membership: TeamMembership }
    /// The result of `removeMember`: the ID of the removed user.
    RemoveMemberPayload { removed_user_id: ID }
    /// The result of `leaveTeam`: the ID of the team that the user left.
    LeaveTeamPayload { left_team_id: ID }
}

#[derive(Default)]
pub(super) struct TeamMutation;

#[Object]
impl TeamMutation {
    /// Creates a team with the signed-in user as its first admin.
    async fn create_team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The name and description of the new team.")] input: CreateTeamInput,
    ) -> Result<CreateTeamPayload> {
        let created = ctx
            .caller()
            .create_team(&input.name, input.description.as_deref());
        CreateTeamPayload::of(created.await)
    }

    /// Changes a team's name or description. Admins only.
    async fn update_team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team and the fields to change.")] input: UpdateTeamInput,
    ) -> Result<UpdateTeamPayload> {
        let updated = async {
            let team = ctx.caller().team_as_admin(&input.team_id).await?;
            team.update(input.name.as_deref(), input.description.as_deref())
                .await
        };
        UpdateTeamPayload::of(updated.await)
    }

    /// Deletes a team, with its memberships and invitations. Admins only.
    async fn delete_team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team to delete.")] input: DeleteTeamInput,
    ) -> Result<DeleteTeamPayload> {
        let deleted = async {
            let team = ctx.caller().team_as_admin(&input.team_id).await?;
            team.delete().await
        };
        DeleteTeamPayload::of(deleted.await)
    }

    /// Adds a person to a team. A user who has verified the email address joins at once and is
    /// notified by email; anybody else gets an invitation by email. Admins only.
    async fn invite_to_team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team and the person.")] input: InviteToTeamInput,
    ) -> Result<InviteToTeamPayload> {
        let invited = async {
            let team = ctx.caller().team_as_admin(&input.team_id).await?;
            team.invite(&input.email, input.role.into()).await
        };
        let (invited, errors) = split(invited.await)?;
        let (membership, invitation) = match invited {
            Some(Invited::Joined(member, view)) => (Some((*member, *view).into()), None),
            Some(Invited::Asked(invitation)) => (None, Some(invitation.into())),
            None => (None, None),
        };
        Ok(InviteToTeamPayload {
            membership,
            invitation,
            errors,
        })
    }

    /// Accepts an invitation. The token was sent to the invited email address, so no sign-in is
    /// needed: the user with that email address joins the team. If another user is signed in, the
    /// error is `INVITATION_EMAIL_MISMATCH`. If no user has that email address, it is
    /// `ACCOUNT_NOT_FOUND`: sign up with `invitationToken`.
    #[graphql(directive = public::apply())]
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The invitation to accept.")] input: AcceptInvitationInput,
    ) -> Result<AcceptInvitationPayload> {
        AcceptInvitationPayload::of(ctx.caller().accept_invitation(&input.token).await)
    }

    /// Declines an invitation. Its link stops working.
    #[graphql(directive = public::apply())]
    async fn decline_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The invitation to decline.")] input: DeclineInvitationInput,
    ) -> Result<DeclineInvitationPayload> {
        let declined = ctx.caller().decline_invitation(&input.token).await;
        DeclineInvitationPayload::of(declined.map(|()| "You declined the invitation."))
    }

    /// Revokes a pending invitation. Admins only.
    async fn revoke_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The invitation to revoke.")] input: RevokeInvitationInput,
    ) -> Result<RevokeInvitationPayload> {
        RevokeInvitationPayload::of(ctx.caller().revoke_invitation(&input.invitation_id).await)
    }

    /// Changes the role of a member. Admins only. The last admin cannot become a member.
    async fn change_member_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The member and the new role.")] input: ChangeMemberRoleInput,
    ) -> Result<ChangeMemberRolePayload> {
        let changed = async {
            let team = ctx.caller().team_as_admin(&input.team_id).await?;
            team.change_role(&input.user_id, input.role.into()).await
        };
        ChangeMemberRolePayload::of(changed.await)
    }

    /// Removes a member from a team. Admins only. The last admin cannot be removed while there are
    /// other members.
    async fn remove_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The member to remove.")] input: RemoveMemberInput,
    ) -> Result<RemoveMemberPayload> {
        let removed = async {
            let team = ctx.caller().team_as_admin(&input.team_id).await?;
            team.remove_member(&input.user_id).await
        };
        RemoveMemberPayload::of(removed.await)
    }

    /// Leaves a team. The last admin cannot leave while there are other members. The team is deleted
    /// when its last member leaves.
    async fn leave_team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team to leave.")] input: LeaveTeamInput,
    ) -> Result<LeaveTeamPayload> {
        LeaveTeamPayload::of(ctx.caller().leave_team(&input.team_id).await)
    }
}
