//! Invitations: sent by admins, answered with the token in the mail.

use super::limits::Limit;
use super::sign_in::EarlierCredentials;
use super::teams::{TeamAdmin, TeamView};
use super::{Caller, Failure, Reason, ServiceError, Services};
use crate::crypto;
use crate::db::invitations::InvitationOutcome;
use crate::db::{Executor, Tx, invitations, outbox, teams, users};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{InvitationId, Nonce, UserId};
use crate::domain::mail::Mail;
use crate::domain::team::{Invitation, Member, Membership, Role, Team};
use crate::domain::user::User;
use crate::telemetry::event;

/// The result of inviting an email address.
pub enum Invited {
    /// It belongs to a user who has verified it, who is a member now.
    Joined(Box<Member>, Box<TeamView>),
    /// An invitation was mailed.
    Asked(Invitation),
}

/// What an invitation link shows before it is accepted.
#[derive(Debug)]
pub struct InvitationPreview {
    pub team: Team,
    pub inviter: User,
    pub invitation: Invitation,
}

impl TeamAdmin {
    /// Makes a user with this verified email address a member, or mails an invitation. Inviting again
    /// replaces the earlier invitation, whose link stops working.
    pub async fn invite(self, email: &str, role: Role) -> Result<Invited, Failure> {
        let email = EmailAddress::parse(email)?;
        let (caller, team_id, admin_id) = (&self.caller, self.team.id, self.viewer);
        let inviter = users::find(&caller.0.db, admin_id).await?;
        // Unverified users could send mail in the name of someone else.
        let inviter = inviter.filter(|inviter| inviter.email_verified_at.is_some());
        let inviter = inviter.ok_or(Reason::EmailNotVerified)?;
        caller.acquire(Limit::InvitationsPerAdmin(admin_id)).await?;
        caller.acquire(Limit::Invitations(team_id)).await?;
        caller.acquire(Limit::InvitationsPerAddress(&email)).await?;
        let team_name = self.team.name.clone();
        let inviter_name = inviter.profile.name;
        let (tx, _) = self.begin().await?;
        let user = users::find_by_email_for_key_share(&tx, &email).await?;
        if let Some(user) = &user
            && teams::membership(&tx, team_id, user.id).await?.is_some()
        {
            return Err(Reason::AlreadyMember.at("email").into());
        }
        let open = invitations::find_pending(&tx, team_id, &email).await?;
        if let Some(open) = &open {
            invitations::cancel_mails_of(&tx, open.id).await?;
        }
        let now = caller.now();
        // Joining at once shows that there is a user.
        let hints = caller.0.codes.existence_hints;
        let may_join = |user: &User| hints && user.email_verified_at.is_some() && user.is_active;
        if let Some(user) = user.filter(may_join) {
            if let Some(open) = &open {
                invitations::close(&tx, open, InvitationOutcome::Accepted, now).await?;
            }
            let membership = caller.new_membership(team_id, user.id, role);
            teams::add_member(&tx, &membership).await?;
            let mail = Mail::TeamAdded {
                name: user.profile.name.clone(),
                team_name,
                inviter_name,
            };
            let mail = caller.new_mail(mail, &email, Some(user.id), None);
            outbox::insert(&tx, &mail).await?;
            tx.commit().await?;
            caller.enqueue(mail.id).await;
            caller.emit(event::TeamMemberAdded {
                user_id: user.id,
                team_id,
                reason: role.into(),
            });
            let member = Member { membership, user };
            return Ok(Invited::Joined(member.into(), self.0.into()));
        }
        let mut invitation = Invitation {
            id: open
                .as_ref()
                .map_or_else(|| caller.new_id(), |open| open.id),
            team_id,
            email: email.clone(),
            role,
            invited_by: Some(admin_id),
            nonce: Nonce(crypto::random()),
            created_at: now,
            expires_at: now + caller.0.invitation_lifetime,
            accepted_at: None,
            declined_at: None,
            revoked_at: None,
        };
        if open.is_none() || !invitations::renew(&tx, &invitation).await? {
            if open.is_some() {
                // Answered or deleted since it was found: neither locks the team.
                invitation.id = caller.new_id();
            }
            invitations::insert(&tx, &invitation).await?;
        }
        let mail = Mail::TeamInvitation {
            team_name,
            inviter_name,
        };
        let mail = caller.new_mail(mail, &email, None, Some(invitation.id.into()));
        outbox::insert(&tx, &mail).await?;
        tx.commit().await?;
        caller.enqueue(mail.id).await;
        caller.emit(event::TeamInvitationSent {
            email: &email,
            user_id: admin_id,
            team_id,
        });
        Ok(Invited::Asked(invitation))
    }
}

impl Caller {
    /// What an invitation link shows; `None` for a token that cannot be accepted.
    pub async fn invitation(&self, token: &str) -> Result<Option<InvitationPreview>, ServiceError> {
        self.live_invitation(&self.0.db, token).await
    }

    /// Makes the user with the invited email address a member. The token proves access to it, so no
    /// sign-in is needed; a user who is signed in must be the invited one.
    pub async fn accept_invitation(&self, token: &str) -> Result<(Member, TeamView), Failure> {
        if self.0.keys.read_invitation_token(token).is_none() {
            // Saves a transaction.
            return Err(self.refuse_token("token"));
        }
        let tx = self.0.db.begin().await?;
        let found = self.require_invitation(&tx, token).await?;
        teams::lock(&tx, found.team.id).await?;
        // Again under the lock: the inviter may no longer be an admin.
        let InvitationPreview {
            team, invitation, ..
        } = self.require_invitation(&tx, token).await?;
        let user = users::find_by_email_for_key_share(&tx, &invitation.email).await?;
        let session = self.session();
        if let Some(session) = session
            && user.as_ref().is_none_or(|user| user.id != session.user_id)
        {
            return Err(Reason::InvitationEmailMismatch.at("token").into());
        }
        let mut user = user.ok_or_else(|| Failure::from(Reason::AccountNotFound))?;
        if !user.is_active {
            return Err(Reason::AccountDisabled.into());
        }
        let now = self.now();
        // A signed-in user who also has the token owns both the account and the email address.
        let earlier = match session {
            Some(_) => EarlierCredentials::Keep,
            None => EarlierCredentials::Drop,
        };
        let revocations = self.verify_email_address(&tx, &mut user, earlier).await?;
        let membership = self.join(&tx, &invitation, user.id, now).await?;
        let membership =
            membership.ok_or_else(|| Failure::from(Reason::InvalidToken.at("token")))?;
        tx.commit().await?;
        self.publish(revocations).await;
        self.emit(event::TeamInvitationAccepted {
            user_id: user.id,
            team_id: team.id,
        });
        let view = self.view(team, membership.role, user.id);
        Ok((Member { membership, user }, view))
    }

    pub async fn decline_invitation(&self, token: &str) -> Result<(), Failure> {
        let InvitationPreview { invitation, .. } =
            self.require_invitation(&self.0.db, token).await?;
        let (db, now) = (&self.0.db, self.now());
        if !invitations::close(db, &invitation, InvitationOutcome::Declined, now).await? {
            return Err(Reason::InvalidToken.at("token").into());
        }
        self.emit(event::TeamInvitationDeclined {
            email: &invitation.email,
            team_id: invitation.team_id,
        });
        Ok(())
    }

    /// [`Reason::NotFound`] for an invitation to a team that the signed-in user is not in.
    pub async fn revoke_invitation(&self, id: &str) -> Result<Invitation, Failure> {
        let actor = self.user()?;
        let not_found = || Failure::from(Reason::NotFound.at("invitationId"));
        let id: InvitationId = id.parse().map_err(|_| not_found())?;
        let invitation = invitations::find(&self.0.db, id)
            .await?
            .ok_or_else(not_found)?;
        let team = self.team(&invitation.team_id.to_string()).await?;
        let team = team.ok_or_else(not_found)?;
        let admin = team
            .admin()
            .ok_or_else(|| Failure::from(Reason::NotTeamAdmin))?;
        let (tx, _) = admin.begin().await?;
        let now = self.now();
        if !invitations::close(&tx, &invitation, InvitationOutcome::Revoked, now).await? {
            return Err(not_found());
        }
        invitations::cancel_mails_of(&tx, id).await?;
        tx.commit().await?;
        self.emit(event::TeamInvitationRevoked {
            email: &invitation.email,
            user_id: actor.user_id,
            team_id: invitation.team_id,
        });
        Ok(invitation)
    }

    /// The invitation that comes with a sign-up of `email`, if any.
    pub(super) async fn invitation_for(
        &self,
        token: Option<&str>,
        email: &EmailAddress,
    ) -> Result<Option<InvitationId>, Failure> {
        let Some(token) = token else { return Ok(None) };
        let field = "invitationToken";
        match self.live_invitation(&self.0.db, token).await? {
            None => Err(self.refuse_token(field)),
            Some(InvitationPreview { invitation, .. }) if invitation.email == *email => {
                Ok(Some(invitation.id))
            }
            Some(_) => Err(Reason::InvitationEmailMismatch.at(field).into()),
        }
    }

    /// Adds a user to the locked team of the invitation they signed up with, if it is still valid.
    pub(super) async fn join_by_signup(
        &self,
        tx: &Tx,
        id: Option<InvitationId>,
        user: &User,
    ) -> Result<(), ServiceError> {
        let Some(id) = id else { return Ok(()) };
        let now = self.now();
        let invitation = invitations::find(tx, id).await?;
        let invitation = invitation.filter(|i| i.is_open(now) && i.email == user.email);
        if let Some(invitation) = invitation
            && self.inviter(tx, &invitation).await?.is_some()
        {
            self.join(tx, &invitation, user.id, now).await?;
        }
        Ok(())
    }

    async fn require_invitation(
        &self,
        db: &impl Executor,
        token: &str,
    ) -> Result<InvitationPreview, Failure> {
        let preview = self.live_invitation(db, token).await?;
        preview.ok_or_else(|| self.refuse_token("token"))
    }

    /// The invitation of a token, if it can be accepted: open, and its inviter still an admin.
    async fn live_invitation(
        &self,
        db: &impl Executor,
        token: &str,
    ) -> Result<Option<InvitationPreview>, ServiceError> {
        let Some((id, nonce)) = self.0.keys.read_invitation_token(token) else {
            return Ok(None);
        };
        let now = self.now();
        let found = invitations::find(db, id).await?;
        let Some(invitation) = found.filter(|i| i.nonce == nonce && i.is_open(now)) else {
            return Ok(None);
        };
        let inviter = self.inviter(db, &invitation).await?;
        let team = teams::find(db, invitation.team_id).await?;
        Ok(inviter.zip(team).map(|(inviter, team)| InvitationPreview {
            team,
            inviter,
            invitation,
        }))
    }

    /// Everything that can be wrong with an invitation has the same error.
    fn refuse_token(&self, field: &'static str) -> Failure {
        self.emit(event::TeamInvitationRejected {});
        Reason::InvalidToken.at(field).into()
    }
}

impl Services {
    /// Locks the team of the invitation that a user signs up with; call it before any other lock.
    pub(super) async fn hold_invited_team(
        &self,
        tx: &Tx,
        id: Option<InvitationId>,
    ) -> Result<(), ServiceError> {
        if let Some(id) = id
            && let Some(invitation) = invitations::find(tx, id).await?
        {
            teams::lock(tx, invitation.team_id).await?;
        }
        Ok(())
    }

    /// An invitation that can still be accepted.
    pub(super) async fn invitation_to_mail(
        &self,
        id: InvitationId,
    ) -> Result<Option<Invitation>, ServiceError> {
        let now = self.now();
        let found = invitations::find(&self.0.db, id).await?;
        let Some(invitation) = found.filter(|invitation| invitation.is_open(now)) else {
            return Ok(None);
        };
        let inviter = self.inviter(&self.0.db, &invitation).await?;
        Ok(inviter.map(|_| invitation))
    }

    /// Closes an invitation to a locked team and adds the member. `None` if it was closed
    /// concurrently.
    async fn join(
        &self,
        tx: &Tx,
        invitation: &Invitation,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<Membership>, ServiceError> {
        if !invitations::close(tx, invitation, InvitationOutcome::Accepted, now).await? {
            return Ok(None);
        }
        if let Some(membership) = teams::membership(tx, invitation.team_id, user).await? {
            return Ok(Some(membership));
        }
        let membership = self.new_membership(invitation.team_id, user, invitation.role);
        teams::add_member(tx, &membership).await?;
        Ok(Some(membership))
    }

    /// The inviter, if they are still an admin.
    async fn inviter(
        &self,
        db: &impl Executor,
        invitation: &Invitation,
    ) -> Result<Option<User>, ServiceError> {
        let Some(id) = invitation.invited_by else {
            return Ok(None);
        };
        let Some(user) = users::find(db, id).await? else {
            return Ok(None);
        };
        let membership = teams::membership(db, invitation.team_id, id).await?;
        let is_admin = membership.is_some_and(|membership| membership.role == Role::Admin);
        Ok(Some(user).filter(|user| user.is_active && (is_admin || user.is_superuser)))
    }
}
