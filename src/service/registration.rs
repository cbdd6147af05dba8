//! Registering with a password.

use super::codes::NewCode;
use super::limits::Limit;
use super::passwordless::refuse_both;
use super::{Caller, CodeChallenge, Failure, Reason, ServiceError, UserError};
use crate::db::{DbError, credentials, users};
use crate::domain::code::Purpose;
use crate::domain::email::EmailAddress;
use crate::domain::id::InvitationId;
use crate::domain::mail::Mail;
use crate::domain::user::{InvalidField, ProfileInput, User};
use crate::telemetry::event;

pub struct Registration<'a> {
    pub email: &'a str,
    pub password: &'a str,
    pub first_name: String,
    pub last_name: String,
    /// The invitation to accept once the email address is verified.
    pub invitation_token: Option<&'a str>,
}

#[derive(Debug)]
pub struct Registered {
    /// `None` with `ACCOUNT_EXISTENCE_HINTS` off.
    pub user: Option<User>,
    pub challenge: CodeChallenge,
}

impl Caller {
    /// Creates a user with a password, and mails a code to verify the email address.
    ///
    /// If the email address has a user: [`Reason::EmailTaken`], or with `ACCOUNT_EXISTENCE_HINTS`
    /// off the usual response after the same work, and a mail that explains it.
    pub async fn register(&self, registration: Registration<'_>) -> Result<Registered, Failure> {
        let Registration {
            email,
            password,
            first_name,
            last_name,
            invitation_token,
        } = registration;
        let profile = ProfileInput::of_names(first_name, last_name);
        let profile = profile.parse().map_err(blame_names);
        let (email, profile) = match (EmailAddress::parse(email), profile) {
            (Ok(email), Ok(profile)) => (email, profile),
            (email, profile) => return Err(refuse_both(email.err(), profile.err())),
        };
        let password = self.parse_password(password, "password", &email, Some(&profile.name))?;
        self.acquire(Limit::RegistrationsPerNetwork).await?;
        self.count_code_request(&email).await?;
        let invitation_id = self.invitation_for(invitation_token, &email).await?;
        let hash = self.0.hasher.hash(&password).await?;
        let now = self.now();
        let hints = self.0.codes.existence_hints;
        let user = User::new(self.new_id(), email.clone(), profile, now);
        let challenge = match self
            .write_registration(&user, Some(hash), invitation_id)
            .await
        {
            Ok(challenge) => {
                self.emit(event::AccountCreated {
                    email: &email,
                    user_id: user.id,
                });
                challenge
            }
            Err(ServiceError::Db(DbError::Conflict(_))) => {
                self.emit(event::SignupRefusedEmailTaken { email: &email });
                if hints {
                    return Err(Reason::EmailTaken.at("email").into());
                }
                self.write_registration(&user, None, invitation_id).await?
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Registered {
            user: hints.then_some(user),
            challenge,
        })
    }

    /// Inserts a new user with their code and mail. Without a hash the email address has a user
    /// already: then inserts only a mail that explains it, and a code that cannot be used.
    async fn write_registration(
        &self,
        user: &User,
        hash: Option<String>,
        invitation_id: Option<InvitationId>,
    ) -> Result<CodeChallenge, ServiceError> {
        let is_new = hash.is_some();
        let name = user.profile.name.clone();
        let tx = self.0.db.begin().await?;
        if let Some(hash) = hash {
            users::insert(&tx, user).await?;
            let password = self.new_password(user.id, hash, user.created_at);
            credentials::insert(&tx, &password).await?;
        }
        let (user_id, mail) = if is_new {
            (Some(user.id), Mail::VerifyEmail { name })
        } else {
            (None, Mail::AccountExists { name })
        };
        let new = NewCode {
            invitation_id,
            ..NewCode::new(Purpose::VerifyEmail, &user.email, user_id, mail)
        };
        let (challenge, mail) = self.write_code(&tx, new).await?;
        tx.commit().await?;
        self.enqueue(mail).await;
        Ok(challenge)
    }
}

/// Assigns errors in the display name to the fields that it is composed of.
fn blame_names(broken: Vec<InvalidField>) -> Vec<UserError> {
    let (display, typed): (Vec<_>, Vec<_>) =
        broken.into_iter().partition(|name| name.field == "name");
    if typed.is_empty() {
        let blank = |InvalidField { max_chars, .. }| Reason::InvalidName { max_chars };
        let blame = display.into_iter().map(|name| blank(name).at("firstName"));
        blame.collect()
    } else {
        typed.into_iter().map(UserError::from).collect()
    }
}
