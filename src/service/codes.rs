//! Signing up and logging in by a code sent to an address.

use uuid::Uuid;

use super::limits::Subject;
use super::{Failure, Reason, ServiceError, Services, UserError};
use crate::crypto;
use crate::db::{DbError, codes, outbox, users};
use crate::domain::client::Client;
use crate::domain::clock::Timestamp;
use crate::domain::code::{Purpose, VerificationCode};
use crate::domain::email::EmailAddress;
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::session::SignedIn;
use crate::domain::user::{Profile, ProfileInput, User, parse_name};
use crate::telemetry::{Event, Facts};

/// How often a request tries to put its code in the place of the open one, when others do the
/// same at the same time.
const SUPERSEDE_TRIES: usize = 5;

/// A code is on its way.
#[derive(Clone, Debug)]
pub struct CodeChallenge {
    /// Where to, in canonical form.
    pub email: EmailAddress,
    /// How many characters it has.
    pub code_length: usize,
    /// From when it is worth nothing.
    pub expires_at: Timestamp,
}

/// A code about to be made, and the mail about it.
struct NewCode<'a> {
    purpose: Purpose,
    email: &'a EmailAddress,
    /// The account that may log in with it.
    user: Option<&'a User>,
    pending_profile: Option<Profile>,
    mail: MailKind,
}

impl Services {
    /// Mails a code to an address that wants an account.
    ///
    /// If the address has one: [`Reason::EmailTaken`], or with `ACCOUNT_EXISTENCE_HINTS` off the
    /// same answer and the same work as for any other, and a mail that says so.
    pub async fn request_signup_code(
        &self,
        email: &str,
        profile: ProfileInput,
        client: &Client,
    ) -> Result<CodeChallenge, Failure> {
        let (email, profile) = match (EmailAddress::parse(email), profile.parse()) {
            (Ok(email), Ok(profile)) => (email, profile),
            (email, profile) => return Err(refuse_both(email.err(), profile.err())),
        };
        self.count_code_request(&email, client).await?;
        let taken = users::find_by_email(&self.0.db, &email).await?;
        if taken.is_some() && self.0.codes.existence_hints {
            Event::SignupRefusedEmailTaken.emit(facts(&email, client));
            return Err(Reason::EmailTaken.at("email").into());
        }
        let challenge = self
            .send_code(NewCode {
                purpose: Purpose::Signup,
                email: &email,
                user: None,
                pending_profile: Some(profile),
                mail: if taken.is_some() {
                    MailKind::AccountExists
                } else {
                    MailKind::SignupCode
                },
            })
            .await?;
        Event::SignupCodeRequested.emit(facts(&email, client));
        Ok(challenge)
    }

    /// Makes the account that a code was asked for, and signs it in. `name` takes the place of
    /// the one given with the request.
    pub async fn verify_signup_code(
        &self,
        email: &str,
        code: &str,
        name: Option<&str>,
        client: &Client,
    ) -> Result<SignedIn, Failure> {
        let email = EmailAddress::parse(email)?;
        let name = name.map(parse_name).transpose().map_err(UserError::from)?;
        let code = self
            .answer_code(Purpose::Signup, &email, code, client)
            .await?;
        let now = self.now();
        let mut profile = code.pending_profile.clone().ok_or_else(|| {
            DbError::Corrupt(format!("sign-up code {} without a profile", code.id))
        })?;
        if let Some(name) = name {
            profile.name = name;
        }
        let user = User {
            id: self.new_id(),
            email: email.clone(),
            profile,
            has_password: false,
            is_active: true,
            is_superuser: false,
            email_verified_at: Some(now),
            last_login_at: Some(now),
            created_at: now,
            updated_at: now,
        };
        let tx = self.0.db.begin().await?;
        if !codes::consume(&tx, code.id, now).await? {
            return Err(lost_race());
        }
        match users::insert(&tx, &user).await {
            Err(DbError::Conflict(_)) => {
                Event::SignupRefusedEmailTaken.emit(facts(&email, client));
                return Err(Reason::EmailTaken.at("email").into());
            }
            inserted => inserted?,
        }
        let session = self.open_session(&tx, &user, client).await?;
        tx.commit().await?;
        Event::UserSignupSuccess.emit(Facts {
            user_id: Some(user.id),
            ..facts(&email, client)
        });
        Ok(self.signed_in(user, &session)?)
    }

    /// Mails a code to an account.
    ///
    /// If the address has none: [`Reason::AccountNotFound`], or with `ACCOUNT_EXISTENCE_HINTS`
    /// off the same answer and the same work as for any other, and a mail that says so.
    pub async fn request_login_code(
        &self,
        email: &str,
        client: &Client,
    ) -> Result<CodeChallenge, Failure> {
        let email = EmailAddress::parse(email)?;
        self.count_code_request(&email, client).await?;
        let user = users::find_by_email(&self.0.db, &email).await?;
        if user.is_none() && self.0.codes.existence_hints {
            Event::LoginRefusedUnknownAccount.emit(facts(&email, client));
            return Err(Reason::AccountNotFound.at("email").into());
        }
        let challenge = self
            .send_code(NewCode {
                purpose: Purpose::Login,
                email: &email,
                user: user.as_ref(),
                pending_profile: None,
                mail: if user.is_some() {
                    MailKind::LoginCode
                } else {
                    MailKind::NoAccount
                },
            })
            .await?;
        Event::LoginCodeRequested.emit(facts(&email, client));
        Ok(challenge)
    }

    /// Signs an account in.
    pub async fn verify_login_code(
        &self,
        email: &str,
        code: &str,
        client: &Client,
    ) -> Result<SignedIn, Failure> {
        let email = EmailAddress::parse(email)?;
        let code = self
            .answer_code(Purpose::Login, &email, code, client)
            .await?;
        let now = self.now();
        let tx = self.0.db.begin().await?;
        if !codes::consume(&tx, code.id, now).await? {
            return Err(lost_race());
        }
        let user = match code.user_id {
            Some(id) => users::find(&tx, id).await?,
            None => None,
        };
        let Some(user) = user else {
            // A code for an unknown address was never mailed: it can only have been guessed.
            return Err(lost_race());
        };
        if !user.is_active {
            tx.commit().await?;
            Event::LoginRefusedDisabledAccount.emit(Facts {
                user_id: Some(user.id),
                ..facts(&email, client)
            });
            return Err(Reason::AccountDisabled.into());
        }
        let user = users::record_login(&tx, user, now).await?;
        let session = self.open_session(&tx, &user, client).await?;
        tx.commit().await?;
        Event::UserLoginSuccess.emit(Facts {
            user_id: Some(user.id),
            ..facts(&email, client)
        });
        Ok(self.signed_in(user, &session)?)
    }

    /// The network is counted first, so that one that is over its limit cannot use up the
    /// address's.
    async fn count_code_request(
        &self,
        email: &EmailAddress,
        client: &Client,
    ) -> Result<(), UserError> {
        self.hit(
            self.code_requests_per_network(),
            Subject::Network(client),
            client,
        )
        .await?;
        self.hit(
            self.code_requests_per_address(),
            Subject::Email(email),
            client,
        )
        .await?;
        Ok(())
    }

    /// Puts a code in the place of the open one and its mail into the outbox.
    async fn send_code(&self, new: NewCode<'_>) -> Result<CodeChallenge, ServiceError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_send_code(&new).await {
                Err(ServiceError::Db(DbError::Conflict(_))) if tries < SUPERSEDE_TRIES => {}
                done => return done,
            }
        }
    }

    async fn try_send_code(&self, new: &NewCode<'_>) -> Result<CodeChallenge, ServiceError> {
        let now = self.now();
        let code = VerificationCode {
            id: self.new_id(),
            purpose: new.purpose,
            email: new.email.clone(),
            user_id: new.user.map(|user| user.id),
            nonce: crypto::random::<16>().to_vec(),
            pending_profile: new.pending_profile.clone(),
            attempts: 0,
            expires_at: now + self.0.codes.lifetime,
            used_at: None,
            superseded_at: None,
            created_at: now,
        };
        let profile = new
            .user
            .map(|user| &user.profile)
            .or(new.pending_profile.as_ref());
        let mail = self.new_mail(
            new.mail,
            new.email,
            code.user_id,
            carries_code(new.mail).then(|| Uuid::from(code.id)),
            MailParams {
                name: profile.map(|profile| profile.name.clone()),
            },
        );
        let tx = self.0.db.begin().await?;
        codes::supersede(&tx, &code).await?;
        outbox::insert(&tx, &mail).await?;
        tx.commit().await?;
        self.ring(mail.id).await;
        Ok(CodeChallenge {
            email: code.email,
            code_length: self.0.codes.format.length,
            expires_at: code.expires_at,
        })
    }

    /// Judges an answer and leaves the code to be consumed. Every answer is counted before it is
    /// compared, so that no number of guesses at once compares more than the budget.
    async fn answer_code(
        &self,
        purpose: Purpose,
        email: &EmailAddress,
        answer: &str,
        client: &Client,
    ) -> Result<VerificationCode, Failure> {
        let rule = self.wrong_codes_per_network();
        self.hit(rule, Subject::Network(client), client)
            .await
            .map_err(UserError::from)?;
        let max = self.0.codes.max_attempts;
        let refuse = |event: Event, reason: Reason, attempt: u32| {
            event.emit(Facts {
                purpose: Some(purpose.name()),
                attempt: Some(attempt),
                limit: Some(max),
                ..facts(email, client)
            });
            Err(reason.at("code").into())
        };
        let failed = match purpose {
            Purpose::Signup => Event::SignupFailedInvalidCode,
            Purpose::Login => Event::LoginFailedInvalidCode,
        };

        let Some(code) = codes::find_newest(&self.0.db, purpose, email).await? else {
            return refuse(
                failed,
                Reason::InvalidCode {
                    attempts_remaining: 0,
                },
                0,
            );
        };
        let attempts = code.attempts;
        if code.used_at.is_some() {
            let reason = Reason::InvalidCode {
                attempts_remaining: 0,
            };
            return refuse(Event::UsedCodeTried, reason, attempts);
        }
        if !code.is_live(self.now()) {
            return refuse(Event::ExpiredCodeTried, Reason::CodeExpired, attempts);
        }
        if attempts >= max {
            return refuse(
                Event::CodeAttemptsExhausted,
                Reason::TooManyAttempts,
                attempts,
            );
        }
        let Some(answer) = self.0.codes.format.parse(answer) else {
            let reason = Reason::InvalidCode {
                attempts_remaining: max - attempts,
            };
            return refuse(Event::InvalidCodeFormat, reason, attempts);
        };
        if !codes::count_attempt(&self.0.db, code.id, max).await? {
            return refuse(Event::CodeAttemptsExhausted, Reason::TooManyAttempts, max);
        }
        if !self.0.keys.is_code(&code, self.0.codes.format, &answer) {
            // Read again: others may have answered at the same time.
            let code = codes::find(&self.0.db, code.id).await?;
            let attempts = code.map_or(max, |code| code.attempts);
            let attempts_remaining = max.saturating_sub(attempts);
            return refuse(failed, Reason::InvalidCode { attempts_remaining }, attempts);
        }
        self.refund(rule, Subject::Network(client)).await;
        Ok(code)
    }
}

/// Whether a mail of this kind tells the code; the others go to whom no code is of use.
fn carries_code(kind: MailKind) -> bool {
    matches!(kind, MailKind::SignupCode | MailKind::LoginCode)
}

/// The code was right, but somebody else used it up first or a newer one took its place.
fn lost_race() -> Failure {
    Reason::InvalidCode {
        attempts_remaining: 0,
    }
    .at("code")
    .into()
}

fn refuse_both(
    email: Option<impl Into<UserError>>,
    fields: Option<Vec<impl Into<UserError>>>,
) -> Failure {
    let fields = fields.unwrap_or_default().into_iter().map(Into::into);
    Failure::Refused(email.map(Into::into).into_iter().chain(fields).collect())
}

fn facts<'a>(email: &'a EmailAddress, client: &Client) -> Facts<'a> {
    Facts {
        email: Some(email),
        ip_address: Some(client.ip),
        ..Facts::default()
    }
}
