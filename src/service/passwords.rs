//! Passwords: logging in with one, resetting and changing it.

use super::codes::NewCode;
use super::limits::RateLimitKey;
use super::suspicion::Signal;
use super::{Failure, Reason, ServiceError, Services, UserError};
use crate::crypto::Comparison;
use crate::db::users::{self, Field};
use crate::db::{Tx, codes, outbox, sessions};
use crate::domain::code::{Purpose, VerificationCode};
use crate::domain::email::EmailAddress;
use crate::domain::id::{SessionId, UserId};
use crate::domain::mail::{Happened, MailKind, MailParams, OutboxMail};
use crate::domain::operation::OperationContext;
use crate::domain::password::{Password, WeakPassword};
use crate::domain::session::{RevokeReason, SignedIn};
use crate::domain::user::User;
use crate::telemetry::event;

/// Sessions ended and a mail written in a transaction, to be told of after it is committed.
#[derive(Default)]
pub(super) struct Revocations {
    pub(super) sessions: Vec<SessionId>,
    pub(super) mail: Option<OutboxMail>,
}

impl Services {
    /// Signs an account in with its password.
    ///
    /// An unknown address, an account without a password and a wrong password all get
    /// [`Reason::InvalidCredentials`] after the same work; with `ACCOUNT_EXISTENCE_HINTS` off so
    /// does an account that has not proved its address, because only whoever registered it could
    /// tell the difference.
    pub async fn login(
        &self,
        ctx: &OperationContext,
        email: &str,
        password: &str,
    ) -> Result<SignedIn, Failure> {
        let email = EmailAddress::parse(email)?;
        self.count_login(ctx, &email).await?;
        let found = users::find_with_password(&self.0.db, &email).await?;
        let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
        let password = Password::new(password);
        let comparison = self.0.hasher.compare(&password, hash.as_deref()).await?;
        let is_open =
            |user: &User| self.0.codes.existence_hints || user.email_verified_at.is_some();
        let (Some(user), Some(hash)) = (user.filter(is_open), hash) else {
            return Err(self.refuse_login(ctx, &email));
        };
        if comparison == Comparison::Wrong {
            return Err(self.refuse_login(ctx, &email));
        }
        self.refund_login(ctx, &email).await;
        if !user.is_active {
            ctx.emit(event::LoginRefusedDisabledAccount {
                email: &email,
                user_id: user.id,
            });
            return Err(Reason::AccountDisabled.into());
        }
        let now = ctx.now();
        let tx = self.0.db.begin().await?;
        // The password may have been reset while it was compared.
        let Some(user) = users::record_password_login(&tx, user, &hash, now).await? else {
            return Err(self.refuse_login(ctx, &email));
        };
        let signed_in = self.sign_in(ctx, tx, user).await?;
        if comparison == Comparison::RightAndOutdated {
            self.renew_hash(signed_in.user.id, &password, &hash).await;
        }
        ctx.emit(event::UserLoginSuccess {
            email: &email,
            user_id: signed_in.user.id,
        });
        Ok(signed_in)
    }

    /// Puts a hash of our own kind in the place of an imported or outdated one. If that fails, the
    /// next login tries again.
    async fn renew_hash(&self, user: UserId, password: &Password, old: &str) {
        let renewed = match self.0.hasher.hash(password).await {
            Ok(new) => users::renew_password_hash(&self.0.db, user, old, new)
                .await
                .map_err(ServiceError::from),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = renewed {
            event::emit(event::InternalError {
                user_id: Some(user),
                reason: Some("password hash not renewed"),
                ..event::InternalError::new(&error)
            });
        }
    }

    /// Mails a link to choose a new password.
    ///
    /// If the address has no account: [`Reason::AccountNotFound`], or with
    /// `ACCOUNT_EXISTENCE_HINTS` off the same answer and the same work as for any other, and a
    /// mail that says so.
    pub async fn request_password_reset(
        &self,
        ctx: &OperationContext,
        email: &str,
    ) -> Result<(), Failure> {
        let email = EmailAddress::parse(email)?;
        let per_network = self.code_requests_per_network();
        self.acquire(ctx, per_network, RateLimitKey::Network)
            .await?;
        self.record_signal(ctx, Signal::CodeRequest, &email);
        let per_address = self.password_resets_per_address();
        self.acquire(ctx, per_address, RateLimitKey::Email(&email))
            .await?;
        let user = users::find_by_email(&self.0.db, &email).await?;
        if user.is_none() && self.0.codes.existence_hints {
            ctx.emit(event::LoginRefusedUnknownAccount { email: &email });
            return Err(Reason::AccountNotFound.at("email").into());
        }
        self.send_code(
            ctx,
            NewCode {
                purpose: Purpose::PasswordReset,
                email: &email,
                user_id: user.as_ref().map(|user| user.id),
                pending_profile: None,
                invitation_id: None,
                mail: if user.is_some() {
                    MailKind::PasswordReset
                } else {
                    MailKind::NoAccount
                },
                params: user
                    .map(|user| MailParams::to(&user.profile.name))
                    .unwrap_or_default(),
            },
            None,
        )
        .await?;
        ctx.emit(event::PasswordResetRequested { email: &email });
        Ok(())
    }

    /// Sets a new password by a mailed token, which proves the address too. Ends every session of
    /// the account and tells its owner.
    pub async fn reset_password(
        &self,
        ctx: &OperationContext,
        token: &str,
        new_password: &str,
    ) -> Result<(), Failure> {
        let (code, mut user) = self.read_reset_token(ctx, token).await?;
        let names = Some(user.profile.name.as_str());
        let password = self.parse_password(new_password, "newPassword", &user.email, names)?;
        let hash = self.0.hasher.hash(&password).await?;
        let now = ctx.now();
        let tx = self.0.db.begin().await?;
        if !codes::consume(&tx, code.id, now).await? {
            return Err(Reason::InvalidToken.at("token").into());
        }
        codes::supersede_all_of_user(&tx, user.id, now).await?;
        users::set_password(&tx, user.id, Some(hash), now).await?;
        user.email_verified_at = Some(now);
        user.updated_at = now;
        users::update(&tx, &user, &[Field::EmailVerifiedAt]).await?;
        let (reason, happened) = (RevokeReason::PasswordReset, Happened::Changed);
        let revocations = self
            .password_changed(ctx, &tx, &user, None, reason, happened)
            .await?;
        tx.commit().await?;
        self.publish(revocations).await;
        ctx.emit(event::PasswordReset {
            email: &user.email,
            user_id: user.id,
        });
        Ok(())
    }

    /// Sets a new password for the signed-in account, which gives the one it has, if any. Ends
    /// every other session and tells the owner.
    pub async fn change_password(
        &self,
        ctx: &OperationContext,
        current: Option<&str>,
        new_password: &str,
    ) -> Result<User, Failure> {
        let actor = ctx.user()?;
        let user = self.own_account(ctx).await?;
        let names = Some(user.profile.name.as_str());
        let password = self.parse_password(new_password, "newPassword", &user.email, names)?;
        let refused = || {
            ctx.emit(event::PasswordChangeFailed {
                email: &user.email,
                user_id: user.id,
            });
            Failure::from(Reason::InvalidCredentials.at("currentPassword"))
        };
        let old = users::password_hash(&self.0.db, user.id).await?;
        if let Some(old) = &old {
            // Not given back: each change costs two hashes and a mail.
            self.count_login(ctx, &user.email).await?;
            let current = Password::new(current.unwrap_or_default());
            if self.0.hasher.compare(&current, Some(old)).await? == Comparison::Wrong {
                return Err(refused());
            }
        }
        let hash = self.0.hasher.hash(&password).await?;
        let now = ctx.now();
        let tx = self.0.db.begin().await?;
        codes::supersede_all_of_user(&tx, user.id, now).await?;
        // Meanwhile a reset, or the proof that the account is somebody else's, may have shut out
        // whoever asked: neither their password nor their session counts any more.
        let is_current = users::replace_password(&tx, user.id, old.as_deref(), hash, now).await?;
        let session = sessions::find_with_user(&tx, actor.session_id).await?;
        if !is_current || !session.is_some_and(|(session, _)| session.is_live(now)) {
            return Err(refused());
        }
        let (kept, reason) = (Some(actor.session_id), RevokeReason::PasswordChanged);
        let revocations = self
            .password_changed(ctx, &tx, &user, kept, reason, Happened::Changed)
            .await?;
        tx.commit().await?;
        self.publish(revocations).await;
        ctx.emit(event::PasswordChanged {
            email: &user.email,
            user_id: user.id,
        });
        Ok(User {
            has_password: true,
            updated_at: now,
            ..user
        })
    }

    /// Drops the password and sessions of an account whose address was never proved before: who
    /// set them did not own it. Nothing for any other account.
    pub(super) async fn clear_unproved(
        &self,
        ctx: &OperationContext,
        tx: &Tx,
        user: &User,
    ) -> Result<Revocations, ServiceError> {
        if user.email_verified_at.is_some() || !user.has_password {
            return Ok(Revocations::default());
        }
        codes::supersede_all_of_user(tx, user.id, ctx.now()).await?;
        users::set_password(tx, user.id, None, ctx.now()).await?;
        let (reason, happened) = (RevokeReason::EmailVerified, Happened::Dropped);
        self.password_changed(ctx, tx, user, None, reason, happened)
            .await
    }

    /// What follows every change of a password: all sessions but `kept` end, and the owner is
    /// told.
    async fn password_changed(
        &self,
        ctx: &OperationContext,
        tx: &Tx,
        user: &User,
        kept: Option<SessionId>,
        reason: RevokeReason,
        happened: Happened,
    ) -> Result<Revocations, ServiceError> {
        let now = ctx.now();
        let sessions = sessions::revoke_all_of_user(tx, user.id, kept, now, reason).await?;
        let params = MailParams {
            happened: Some(happened),
            ..MailParams::to(&user.profile.name)
        };
        let kind = MailKind::PasswordChanged;
        let mail = self.new_mail(kind, &user.email, Some(user.id), None, params);
        outbox::insert(tx, &mail).await?;
        Ok(Revocations {
            sessions,
            mail: Some(mail),
        })
    }

    /// Makes known to all processes what a committed transaction revoked.
    pub(super) async fn publish(&self, revocations: Revocations) {
        self.mark_all_revoked(revocations.sessions).await;
        if let Some(mail) = revocations.mail {
            self.enqueue(mail.id).await;
        }
    }

    /// The live row and account of a reset token.
    async fn read_reset_token(
        &self,
        ctx: &OperationContext,
        token: &str,
    ) -> Result<(VerificationCode, User), Failure> {
        let now = ctx.now();
        let code = match self.0.keys.read_reset_token(token) {
            Some(id) => codes::find(&self.0.db, id).await?,
            None => None,
        };
        let code = code.filter(|code| code.purpose == Purpose::PasswordReset && code.is_live(now));
        let owner: Option<UserId> = code.as_ref().and_then(|code| code.user_id);
        let user = match owner {
            Some(id) => users::find(&self.0.db, id).await?,
            None => None,
        };
        // It was mailed to one address and counts for no other.
        let found = code
            .zip(user)
            .filter(|(code, user)| code.email == user.email);
        found.ok_or_else(|| {
            ctx.emit(event::PasswordResetFailed {});
            Reason::InvalidToken.at("token").into()
        })
    }

    pub(super) fn parse_password(
        &self,
        text: &str,
        field: &'static str,
        email: &EmailAddress,
        names: Option<&str>,
    ) -> Result<Password, UserError> {
        let refused = |weak: WeakPassword| Reason::WeakPassword(weak).at(field);
        self.0
            .passwords
            .rule
            .parse(text, email, names)
            .map_err(refused)
    }

    /// Counts a login before the hash is computed: by network first, then by address.
    async fn count_login(
        &self,
        ctx: &OperationContext,
        email: &EmailAddress,
    ) -> Result<(), UserError> {
        self.acquire(ctx, self.logins_per_network(), RateLimitKey::Network)
            .await?;
        self.acquire(ctx, self.logins_per_address(), RateLimitKey::Email(email))
            .await?;
        Ok(())
    }

    /// Gives back what [`count_login`](Self::count_login) counted: it was no failure.
    async fn refund_login(&self, ctx: &OperationContext, email: &EmailAddress) {
        self.release(ctx, self.logins_per_network(), RateLimitKey::Network)
            .await;
        self.release(ctx, self.logins_per_address(), RateLimitKey::Email(email))
            .await;
    }

    fn refuse_login(&self, ctx: &OperationContext, email: &EmailAddress) -> Failure {
        self.record_signal(ctx, Signal::FailedLogin, email);
        ctx.emit(event::LoginFailedInvalidCredentials { email });
        Reason::InvalidCredentials.into()
    }
}
