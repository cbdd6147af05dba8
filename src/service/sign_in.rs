//! Completing a sign-in whatever its method, and changing and dropping credentials.

use super::{Caller, Failure, Reason, ServiceError, Services};
use crate::db::users::{self, Field};
use crate::db::{Tx, codes, credentials, outbox, sessions};
use crate::domain::clock::Timestamp;
use crate::domain::credential::{Credential, CredentialKind};
use crate::domain::id::{SessionId, UserId};
use crate::domain::mail::{ChangeStatus, Mail, OutboxMail};
use crate::domain::session::{RevokeReason, Session, SignInMethod, SignedIn};
use crate::domain::user::User;
use crate::telemetry::event;

/// What happens to credentials and sessions from before an email address was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EarlierCredentials {
    /// Someone else may have set them up.
    Drop,
    /// The user who verifies the email address knows of them.
    Keep,
}

/// What a transaction revoked, to be published after it is committed.
#[derive(Default)]
pub(super) struct Revocations {
    pub(super) sessions: Vec<SessionId>,
    /// The notice to the user.
    pub(super) mail: Option<OutboxMail>,
}

impl Caller {
    /// Signs in a user who has just authenticated by `method`: opens a session, and commits the
    /// transaction. [`Reason::AccountDisabled`] if the user is disabled; the transaction is committed
    /// all the same, so that a code is used up.
    pub(super) async fn complete_sign_in(
        &self,
        tx: Tx,
        mut user: User,
        method: SignInMethod,
    ) -> Result<SignedIn, Failure> {
        let now = self.now();
        if !user.is_active {
            tx.commit().await?;
            return Err(self.refuse_disabled(&user));
        }
        let revocations = match method {
            SignInMethod::LoginCode => {
                let earlier = EarlierCredentials::Drop;
                self.verify_email_address(&tx, &mut user, earlier).await?
            }
            SignInMethod::SignupCode | SignInMethod::Password => Revocations::default(),
        };
        // A new user was inserted with the sign-in recorded.
        if method != SignInMethod::SignupCode {
            if !users::record_login(&tx, user.id, now).await? {
                return Err(self.refuse_disabled(&user));
            }
            user.last_login_at = Some(now);
        }
        let client = self.context.client.as_ref();
        let session = Session {
            id: self.new_id(),
            user_id: user.id,
            generation: 1,
            rotated_at: now,
            created_at: now,
            last_used_at: now,
            expires_at: now + self.0.tokens.refresh_lifetime,
            revoked_at: None,
            revoke_reason: None,
            user_agent: client.and_then(|client| client.user_agent.clone()),
            ip_address: client.map(|client| client.ip.to_string()),
            method: Some(method),
            authenticated_at: Some(now),
        };
        sessions::insert(&tx, &session).await?;
        let teams = self.teams_in_token(&tx, user.id).await?;
        tx.commit().await?;
        let signed_in = self.signed_in(user, &session, teams)?;
        self.publish(revocations).await;
        let (email, user_id) = (&signed_in.user.email, signed_in.user.id);
        match method {
            SignInMethod::SignupCode => self.emit(event::UserSignupSuccess { email, user_id }),
            SignInMethod::LoginCode | SignInMethod::Password => {
                self.emit(event::UserLoginSuccess { email, user_id });
            }
        }
        Ok(signed_in)
    }

    /// Marks the email address of a user as verified, unless it was before.
    pub(super) async fn verify_email_address(
        &self,
        tx: &Tx,
        user: &mut User,
        earlier: EarlierCredentials,
    ) -> Result<Revocations, ServiceError> {
        if user.email_verified_at.is_some() {
            return Ok(Revocations::default());
        }
        let now = self.now();
        if earlier == EarlierCredentials::Drop {
            codes::supersede_all_of_user(tx, user.id, now).await?;
        }
        user.email_verified_at = Some(now);
        user.updated_at = now;
        users::update(tx, user, &[Field::EmailVerifiedAt]).await?;
        match earlier {
            EarlierCredentials::Keep => Ok(Revocations::default()),
            EarlierCredentials::Drop => {
                self.drop_credentials(tx, user, RevokeReason::EmailVerified)
                    .await
            }
        }
    }

    /// Deletes all credentials of a locked user. If there were any, also revokes all sessions and
    /// tells the user.
    async fn drop_credentials(
        &self,
        tx: &Tx,
        user: &User,
        reason: RevokeReason,
    ) -> Result<Revocations, ServiceError> {
        if credentials::delete_of_user(tx, user.id, None).await? == 0 {
            return Ok(Revocations::default());
        }
        self.credentials_changed(tx, user, None, reason, ChangeStatus::Dropped)
            .await
    }

    /// Sets the password of a locked user, revokes all sessions except `kept` and tells the user.
    pub(super) async fn set_password(
        &self,
        tx: &Tx,
        user: &User,
        hash: String,
        kept: Option<SessionId>,
        reason: RevokeReason,
    ) -> Result<Revocations, ServiceError> {
        let kind = CredentialKind::Password;
        credentials::delete_of_user(tx, user.id, Some(kind)).await?;
        credentials::insert(tx, &self.new_password(user.id, hash, self.now())).await?;
        self.credentials_changed(tx, user, kept, reason, ChangeStatus::Changed)
            .await
    }

    async fn credentials_changed(
        &self,
        tx: &Tx,
        user: &User,
        kept: Option<SessionId>,
        reason: RevokeReason,
        happened: ChangeStatus,
    ) -> Result<Revocations, ServiceError> {
        let sessions = sessions::revoke_all_of_user(tx, user.id, kept, self.now(), reason).await?;
        let mail = Mail::PasswordChanged {
            name: user.profile.name.clone(),
            happened,
        };
        let mail = self.new_mail(mail, &user.email, Some(user.id), None);
        outbox::insert(tx, &mail).await?;
        Ok(Revocations {
            sessions,
            mail: Some(mail),
        })
    }

    fn refuse_disabled(&self, user: &User) -> Failure {
        self.emit(event::LoginRefusedDisabledAccount {
            email: &user.email,
            user_id: user.id,
        });
        Reason::AccountDisabled.into()
    }
}

impl Services {
    pub(super) fn new_password(&self, user_id: UserId, hash: String, now: Timestamp) -> Credential {
        Credential {
            id: self.new_id(),
            user_id,
            kind: CredentialKind::Password,
            data: hash,
            created_at: now,
            last_used_at: None,
        }
    }

    /// Tells all processes what a committed transaction revoked.
    pub(super) async fn publish(&self, revocations: Revocations) {
        self.mark_all_revoked(revocations.sessions).await;
        if let Some(mail) = revocations.mail {
            self.enqueue(mail.id).await;
        }
    }
}
