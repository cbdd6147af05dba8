//! Signing up and logging in by a code sent to an email address.

use super::codes::{NewCode, lost_race};
use super::{Caller, CodeChallenge, Failure, Reason, UserError};
use crate::db::{DbError, codes, users};
use crate::domain::code::Purpose;
use crate::domain::email::EmailAddress;
use crate::domain::mail::Mail;
use crate::domain::session::{SignInMethod, SignedIn};
use crate::domain::user::{ProfileInput, User, parse_name};
use crate::telemetry::event;

impl Caller {
    /// Mails a code to sign up with.
    ///
    /// If the email address has a user: [`Reason::EmailTaken`], or with `ACCOUNT_EXISTENCE_HINTS`
    /// off the usual response after the same work, and a mail that explains it.
    pub async fn request_signup_code(
        &self,
        email: &str,
        profile: ProfileInput,
        invitation_token: Option<&str>,
    ) -> Result<CodeChallenge, Failure> {
        let (email, profile) = match (EmailAddress::parse(email), profile.parse()) {
            (Ok(email), Ok(profile)) => (email, profile),
            (email, profile) => return Err(refuse_both(email.err(), profile.err())),
        };
        self.count_code_request(&email).await?;
        let invitation_id = self.invitation_for(invitation_token, &email).await?;
        let taken = users::find_by_email(&self.0.db, &email).await?;
        if taken.is_some() && self.0.codes.existence_hints {
            self.emit(event::SignupRefusedEmailTaken { email: &email });
            return Err(Reason::EmailTaken.at("email").into());
        }
        let name = profile.name.clone();
        let mail = match taken {
            Some(_) => Mail::AccountExists { name },
            None => Mail::SignupCode { name },
        };
        let code = NewCode {
            pending_profile: Some(profile),
            invitation_id,
            ..NewCode::new(Purpose::Signup, &email, None, mail)
        };
        let challenge = self.send_code(code, None).await?;
        self.emit(event::SignupCodeRequested { email: &email });
        Ok(challenge)
    }

    /// Creates the user that a code was requested for, and signs in. `name` replaces the one in the
    /// request.
    pub async fn verify_signup_code(
        &self,
        email: &str,
        code: &str,
        name: Option<&str>,
    ) -> Result<SignedIn, Failure> {
        let email = EmailAddress::parse(email)?;
        let name = name.map(parse_name).transpose().map_err(UserError::from)?;
        let code = self.answer_code(Purpose::Signup, &email, code).await?;
        let now = self.now();
        let mut profile = code.pending_profile.clone().ok_or_else(|| {
            DbError::Corrupt(format!("sign-up code {} without a profile", code.id))
        })?;
        if let Some(name) = name {
            profile.name = name;
        }
        let user = User {
            email_verified_at: Some(now),
            last_login_at: Some(now),
            ..User::new(self.new_id(), email.clone(), profile, now)
        };
        let tx = self.0.db.begin().await?;
        self.hold_invited_team(&tx, code.invitation_id).await?;
        if !codes::consume(&tx, code.id, now).await? {
            return Err(lost_race());
        }
        match users::insert(&tx, &user).await {
            Err(DbError::Conflict(_)) => {
                self.emit(event::SignupRefusedEmailTaken { email: &email });
                return Err(Reason::EmailTaken.at("email").into());
            }
            inserted => inserted?,
        }
        self.join_by_signup(&tx, code.invitation_id, &user).await?;
        self.complete_sign_in(tx, user, SignInMethod::SignupCode)
            .await
    }

    /// Mails a code to log in with.
    ///
    /// If the email address has no user: [`Reason::AccountNotFound`], or with
    /// `ACCOUNT_EXISTENCE_HINTS` off the usual response after the same work, and a mail that explains
    /// it.
    pub async fn request_login_code(&self, email: &str) -> Result<CodeChallenge, Failure> {
        let email = EmailAddress::parse(email)?;
        self.count_code_request(&email).await?;
        let user = users::find_by_email(&self.0.db, &email).await?;
        if user.is_none() && self.0.codes.existence_hints {
            self.emit(event::LoginRefusedUnknownAccount { email: &email });
            return Err(Reason::AccountNotFound.at("email").into());
        }
        let user_id = user.as_ref().map(|user| user.id);
        let mail = user.map_or(Mail::NoAccount {}, |user| Mail::LoginCode {
            name: user.profile.name,
        });
        let code = NewCode::new(Purpose::Login, &email, user_id, mail);
        let challenge = self.send_code(code, None).await?;
        self.emit(event::LoginCodeRequested { email: &email });
        Ok(challenge)
    }

    pub async fn verify_login_code(&self, email: &str, code: &str) -> Result<SignedIn, Failure> {
        let email = EmailAddress::parse(email)?;
        let code = self.answer_code(Purpose::Login, &email, code).await?;
        let tx = self.0.db.begin().await?;
        let user = self.consume_of_account(&tx, &code).await?;
        self.complete_sign_in(tx, user, SignInMethod::LoginCode)
            .await
    }
}

/// Everything that is wrong with an email address and the fields submitted with it.
pub(super) fn refuse_both(
    email: Option<impl Into<UserError>>,
    fields: Option<Vec<impl Into<UserError>>>,
) -> Failure {
    let fields = fields.unwrap_or_default().into_iter().map(Into::into);
    Failure::Refused(email.map(Into::into).into_iter().chain(fields).collect())
}
