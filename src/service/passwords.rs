//! Passwords: logging in with one, resetting and changing it.

use super::codes::{NewCode, facts};
use super::limits::Subject;
use super::suspicion::Sign;
use super::{Failure, Reason, ServiceError, Services, UserError};
use crate::crypto::Comparison;
use crate::db::users::{self, Field};
use crate::db::{Tx, codes, outbox, sessions};
use crate::domain::client::Client;
use crate::domain::clock::Timestamp;
use crate::domain::code::{Purpose, VerificationCode};
use crate::domain::email::EmailAddress;
use crate::domain::id::{SessionId, UserId};
use crate::domain::mail::{Happened, MailKind, MailParams, OutboxMail};
use crate::domain::password::{Password, WeakPassword};
use crate::domain::session::{Actor, RevokeReason, SignedIn};
use crate::domain::user::User;
use crate::telemetry::{Event, Facts};

/// Sessions ended and a mail written in a transaction, to be told of after it is committed.
#[derive(Default)]
pub(super) struct Cleared {
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
        email: &str,
        password: &str,
        client: &Client,
    ) -> Result<SignedIn, Failure> {
        let email = EmailAddress::parse(email)?;
        self.count_login(&email, client).await?;
        let found = users::find_with_password(&self.0.db, &email).await?;
        let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
        let password = Password::new(password);
        let comparison = self.0.hasher.compare(&password, hash.as_deref()).await?;
        let is_open =
            |user: &User| self.0.codes.existence_hints || user.email_verified_at.is_some();
        let (Some(user), Some(hash)) = (user.filter(is_open), hash) else {
            return Err(self.refuse_login(&email, client));
        };
        if comparison == Comparison::Wrong {
            return Err(self.refuse_login(&email, client));
        }
        self.refund_login(&email, client).await;
        if !user.is_active {
            Event::LoginRefusedDisabledAccount.emit(Facts {
                user_id: Some(user.id),
                ..facts(&email, client)
            });
            return Err(Reason::AccountDisabled.into());
        }
        let now = self.now();
        let tx = self.0.db.begin().await?;
        // The password may have been reset while it was compared.
        let Some(user) = users::record_password_login(&tx, user, &hash, now).await? else {
            return Err(self.refuse_login(&email, client));
        };
        let signed_in = self.sign_in(tx, user, client).await?;
        if comparison == Comparison::RightAndOutdated {
            self.renew_hash(signed_in.user.id, &password, &hash).await;
        }
        Event::UserLoginSuccess.emit(Facts {
            user_id: Some(signed_in.user.id),
            ..facts(&email, client)
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
            Event::InternalError.emit(Facts {
                user_id: Some(user),
                error: Some(&error),
                reason: Some("password hash not renewed"),
                ..Facts::default()
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
        email: &str,
        client: &Client,
    ) -> Result<(), Failure> {
        let email = EmailAddress::parse(email)?;
        let per_network = self.code_requests_per_network();
        self.hit(per_network, Subject::Network(client), client)
            .await?;
        self.notice(Sign::CodeRequest, &email, client);
        let per_address = self.password_resets_per_address();
        self.hit(per_address, Subject::Email(&email), client)
            .await?;
        let user = users::find_by_email(&self.0.db, &email).await?;
        if user.is_none() && self.0.codes.existence_hints {
            Event::LoginRefusedUnknownAccount.emit(facts(&email, client));
            return Err(Reason::AccountNotFound.at("email").into());
        }
        self.send_code(
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
        Event::PasswordResetRequested.emit(facts(&email, client));
        Ok(())
    }

    /// Sets a new password by a mailed token, which proves the address too. Ends every session of
    /// the account and tells its owner.
    pub async fn reset_password(
        &self,
        token: &str,
        new_password: &str,
        client: &Client,
    ) -> Result<(), Failure> {
        let (code, mut user) = self.read_reset_token(token, client).await?;
        let names = Some(user.profile.name.as_str());
        let password = self.parse_password(new_password, "newPassword", &user.email, names)?;
        let hash = self.0.hasher.hash(&password).await?;
        let now = self.now();
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
        let cleared = self
            .password_changed(&tx, &user, None, reason, happened)
            .await?;
        tx.commit().await?;
        self.announce(cleared).await;
        Event::PasswordReset.emit(Facts {
            user_id: Some(user.id),
            ..facts(&user.email, client)
        });
        Ok(())
    }

    /// Sets a new password for the signed-in account, which gives the one it has, if any. Ends
    /// every other session and tells the owner.
    pub async fn change_password(
        &self,
        actor: Actor,
        current: Option<&str>,
        new_password: &str,
        client: &Client,
    ) -> Result<User, Failure> {
        let user = self.account_of(actor).await?;
        let names = Some(user.profile.name.as_str());
        let password = self.parse_password(new_password, "newPassword", &user.email, names)?;
        let refused = || {
            Event::PasswordChangeFailed.emit(Facts {
                user_id: Some(user.id),
                ..facts(&user.email, client)
            });
            Failure::from(Reason::InvalidCredentials.at("currentPassword"))
        };
        let old = users::password_hash(&self.0.db, user.id).await?;
        if let Some(old) = &old {
            // Not given back: each change costs two hashes and a mail.
            self.count_login(&user.email, client).await?;
            let current = Password::new(current.unwrap_or_default());
            if self.0.hasher.compare(&current, Some(old)).await? == Comparison::Wrong {
                return Err(refused());
            }
        }
        let hash = self.0.hasher.hash(&password).await?;
        let now = self.now();
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
        let cleared = self
            .password_changed(&tx, &user, kept, reason, Happened::Changed)
            .await?;
        tx.commit().await?;
        self.announce(cleared).await;
        Event::PasswordChanged.emit(Facts {
            user_id: Some(user.id),
            ..facts(&user.email, client)
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
        tx: &Tx,
        user: &User,
        now: Timestamp,
    ) -> Result<Cleared, ServiceError> {
        if user.email_verified_at.is_some() || !user.has_password {
            return Ok(Cleared::default());
        }
        codes::supersede_all_of_user(tx, user.id, now).await?;
        users::set_password(tx, user.id, None, now).await?;
        let (reason, happened) = (RevokeReason::EmailVerified, Happened::Dropped);
        self.password_changed(tx, user, None, reason, happened)
            .await
    }

    /// What follows every change of a password: all sessions but `kept` end, and the owner is
    /// told.
    async fn password_changed(
        &self,
        tx: &Tx,
        user: &User,
        kept: Option<SessionId>,
        reason: RevokeReason,
        happened: Happened,
    ) -> Result<Cleared, ServiceError> {
        let now = self.now();
        let sessions = sessions::revoke_all_of_user(tx, user.id, kept, now, reason).await?;
        let params = MailParams {
            happened: Some(happened),
            ..MailParams::to(&user.profile.name)
        };
        let kind = MailKind::PasswordChanged;
        let mail = self.new_mail(kind, &user.email, Some(user.id), None, params);
        outbox::insert(tx, &mail).await?;
        Ok(Cleared {
            sessions,
            mail: Some(mail),
        })
    }

    /// Makes known to all processes what a committed transaction cleared.
    pub(super) async fn announce(&self, cleared: Cleared) {
        self.bury_all(cleared.sessions).await;
        if let Some(mail) = cleared.mail {
            self.ring(mail.id).await;
        }
    }

    /// The live row and account of a reset token.
    async fn read_reset_token(
        &self,
        token: &str,
        client: &Client,
    ) -> Result<(VerificationCode, User), Failure> {
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
        // It was mailed to one address and counts for no other.
        let found = code
            .zip(user)
            .filter(|(code, user)| code.email == user.email);
        found.ok_or_else(|| {
            Event::PasswordResetFailed.emit(Facts {
                ip_address: Some(client.ip),
                ..Facts::default()
            });
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
    async fn count_login(&self, email: &EmailAddress, client: &Client) -> Result<(), UserError> {
        self.hit(self.logins_per_network(), Subject::Network(client), client)
            .await?;
        self.hit(self.logins_per_address(), Subject::Email(email), client)
            .await?;
        Ok(())
    }

    /// Gives back what [`count_login`](Self::count_login) counted: it was no failure.
    async fn refund_login(&self, email: &EmailAddress, client: &Client) {
        self.refund(self.logins_per_network(), Subject::Network(client))
            .await;
        self.refund(self.logins_per_address(), Subject::Email(email))
            .await;
    }

    fn refuse_login(&self, email: &EmailAddress, client: &Client) -> Failure {
        self.notice(Sign::FailedLogin, email, client);
        Event::LoginFailedInvalidCredentials.emit(facts(email, client));
        Reason::InvalidCredentials.into()
    }
}
