//! Passwords: logging in with one, resetting it and changing it.

use uuid::Uuid;

use super::anomalies::Signal;
use super::codes::NewCode;
use super::limits::Limit;
use super::{Caller, Failure, Reason, ServiceError, Services, UserError};
use crate::crypto::Comparison;
use crate::db::users::{self, Field};
use crate::db::{codes, credentials, sessions};
use crate::domain::code::{Purpose, VerificationCode};
use crate::domain::credential::{Credential, CredentialKind};
use crate::domain::email::EmailAddress;
use crate::domain::id::UserId;
use crate::domain::mail::Mail;
use crate::domain::password::{Password, WeakPassword};
use crate::domain::session::{RevokeReason, SignInMethod, SignedIn};
use crate::domain::user::User;
use crate::telemetry::event;

impl Caller {
    /// Signs in with a password.
    ///
    /// An unknown email address, a user without a password and a wrong password all get
    /// [`Reason::InvalidCredentials`] after the same work; with `ACCOUNT_EXISTENCE_HINTS` off so
    /// does a user with an unverified email address: only the person who registered it could tell
    /// the difference.
    pub async fn login(&self, email: &str, password: &str) -> Result<SignedIn, Failure> {
        let email = EmailAddress::parse(email)?;
        self.count_login(&email).await?;
        let user = users::find_by_email(&self.0.db, &email).await?;
        // An unknown email address costs the same queries and the same hash.
        let id = user
            .as_ref()
            .map_or_else(|| Uuid::nil().into(), |user| user.id);
        let credential = self.password_of(id).await?;
        let password = Password::new(password);
        let hash = credential.as_ref().map(|credential| &*credential.data);
        let comparison = self.0.hasher.compare(&password, hash).await?;
        let is_open =
            |user: &User| self.0.codes.existence_hints || user.email_verified_at.is_some();
        let (Some(user), Some(credential)) = (user.filter(is_open), credential) else {
            return Err(self.refuse_login(&email));
        };
        if comparison == Comparison::Wrong {
            return Err(self.refuse_login(&email));
        }
        self.refund_login(&email).await;
        let tx = self.0.db.begin().await?;
        users::lock(&tx, user.id).await?;
        // The password may have been reset while it was compared.
        if !credentials::touch(&tx, &credential, self.now()).await? {
            return Err(self.refuse_login(&email));
        }
        let signed_in = self
            .complete_sign_in(tx, user, SignInMethod::Password)
            .await?;
        if comparison == Comparison::RightAndOutdated
            && let Err(error) = self.rehash(&password, &credential).await
        {
            // The next login tries again.
            event::emit(event::InternalError {
                user_id: Some(credential.user_id),
                reason: Some("password hash not renewed"),
                ..event::InternalError::new(&error)
            });
        }
        Ok(signed_in)
    }

    /// Mails a link to set a new password.
    ///
    /// If the email address has no user: [`Reason::AccountNotFound`], or with
    /// `ACCOUNT_EXISTENCE_HINTS` off the usual response after the same work, and a mail that explains
    /// it.
    pub async fn request_password_reset(&self, email: &str) -> Result<(), Failure> {
        let email = EmailAddress::parse(email)?;
        self.acquire(Limit::CodeRequestsPerNetwork).await?;
        self.record_signal(Signal::CodeRequest, &email);
        self.acquire(Limit::PasswordResets(&email)).await?;
        let user = users::find_by_email(&self.0.db, &email).await?;
        if user.is_none() && self.0.codes.existence_hints {
            self.emit(event::LoginRefusedUnknownAccount { email: &email });
            return Err(Reason::AccountNotFound.at("email").into());
        }
        let user_id = user.as_ref().map(|user| user.id);
        let mail = user.map_or(Mail::NoAccount {}, |user| Mail::PasswordReset {
            name: user.profile.name,
        });
        let code = NewCode::new(Purpose::PasswordReset, &email, user_id, mail);
        self.send_code(code, None).await?;
        self.emit(event::PasswordResetRequested { email: &email });
        Ok(())
    }

    /// Sets a new password with a mailed token, which also verifies the email address. Revokes every
    /// session and tells the user.
    pub async fn reset_password(&self, token: &str, new_password: &str) -> Result<(), Failure> {
        let (code, mut user) = self.read_reset_token(token).await?;
        let names = Some(user.profile.name.as_str());
        let password = self.parse_password(new_password, "newPassword", &user.email, names)?;
        let hash = self.0.hasher.hash(&password).await?;
        let now = self.now();
        let tx = self.0.db.begin().await?;
        if !codes::consume(&tx, code.id, now).await? {
            return Err(Reason::InvalidToken.at("token").into());
        }
        codes::supersede_all_of_user(&tx, user.id, now).await?;
        let was_verified = user.email_verified_at.is_some();
        user.email_verified_at = user.email_verified_at.or(Some(now));
        user.updated_at = now;
        users::update(&tx, &user, &[Field::EmailVerifiedAt]).await?;
        if !was_verified {
            // They may have been added by someone who did not own the email address.
            credentials::delete_of_user(&tx, user.id, None).await?;
        }
        let reason = RevokeReason::PasswordReset;
        let revocations = self.set_password(&tx, &user, hash, None, reason).await?;
        tx.commit().await?;
        self.publish(revocations).await;
        self.emit(event::PasswordReset {
            email: &user.email,
            user_id: user.id,
        });
        Ok(())
    }

    /// Sets a new password for the signed-in user, who must give the current one, if any. Revokes
    /// every other session and tells the user.
    pub async fn change_password(
        &self,
        current: Option<&str>,
        new_password: &str,
    ) -> Result<User, Failure> {
        let actor = self.user()?;
        let mut user = self.own_account().await?;
        let names = Some(user.profile.name.as_str());
        let password = self.parse_password(new_password, "newPassword", &user.email, names)?;
        let refused = |user: &User| {
            self.emit(event::PasswordChangeFailed {
                email: &user.email,
                user_id: user.id,
            });
            Failure::from(Reason::InvalidCredentials.at("currentPassword"))
        };
        let old = self.password_of(user.id).await?;
        if let Some(old) = &old {
            // Not released on success: each change costs two hashes and a mail.
            self.count_login(&user.email).await?;
            let current = Password::new(current.unwrap_or_default());
            if self.0.hasher.compare(&current, Some(&old.data)).await? == Comparison::Wrong {
                return Err(refused(&user));
            }
        }
        let hash = self.0.hasher.hash(&password).await?;
        let now = self.now();
        let tx = self.0.db.begin().await?;
        codes::supersede_all_of_user(&tx, user.id, now).await?;
        user.updated_at = now;
        users::update(&tx, &user, &[]).await?;
        // A reset or a verification may have locked the caller out in the meantime.
        let current = credentials::find(&tx, user.id, CredentialKind::Password).await?;
        let is_current = current.map(|current| current.data) == old.map(|old| old.data);
        let session = sessions::find_with_user(&tx, actor.session_id).await?;
        if !is_current || !session.is_some_and(|(session, _)| session.is_live(now)) {
            return Err(refused(&user));
        }
        let (kept, reason) = (Some(actor.session_id), RevokeReason::PasswordChanged);
        let revocations = self.set_password(&tx, &user, hash, kept, reason).await?;
        tx.commit().await?;
        self.publish(revocations).await;
        self.emit(event::PasswordChanged {
            email: &user.email,
            user_id: user.id,
        });
        Ok(user)
    }

    /// The live code and the user of a reset token.
    async fn read_reset_token(&self, token: &str) -> Result<(VerificationCode, User), Failure> {
        let now = self.now();
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
        // It is valid only for the email address it was mailed to.
        let found = code
            .zip(user)
            .filter(|(code, user)| code.email == user.email);
        found.ok_or_else(|| {
            self.emit(event::PasswordResetFailed {});
            Reason::InvalidToken.at("token").into()
        })
    }

    /// Counts a login before the hash is computed: by network first, then by email address.
    async fn count_login(&self, email: &EmailAddress) -> Result<(), UserError> {
        self.acquire(Limit::LoginsPerNetwork).await?;
        Ok(self.acquire(Limit::Logins(email)).await?)
    }

    /// Uncounts what [`count_login`](Self::count_login) counted.
    async fn refund_login(&self, email: &EmailAddress) {
        self.release(Limit::LoginsPerNetwork).await;
        self.release(Limit::Logins(email)).await;
    }

    fn refuse_login(&self, email: &EmailAddress) -> Failure {
        self.record_signal(Signal::FailedLogin, email);
        self.emit(event::LoginFailedInvalidCredentials { email });
        Reason::InvalidCredentials.into()
    }
}

impl Services {
    async fn password_of(&self, user: UserId) -> Result<Option<Credential>, ServiceError> {
        Ok(credentials::find(&self.0.db, user, CredentialKind::Password).await?)
    }

    /// Replaces an imported or outdated hash.
    async fn rehash(&self, password: &Password, old: &Credential) -> Result<(), ServiceError> {
        let hash = self.0.hasher.hash(password).await?;
        let tx = self.0.db.begin().await?;
        users::lock(&tx, old.user_id).await?;
        credentials::replace_data(&tx, old, hash).await?;
        Ok(tx.commit().await?)
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
}
