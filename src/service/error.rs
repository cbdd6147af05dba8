//! Why a use case failed.

use chrono::Duration;
use strum::EnumDiscriminants;

use crate::crypto::{HashingFailed, SigningFailed};
use crate::db::DbError;
use crate::domain::email::InvalidEmail;
use crate::domain::operation::NotSignedIn;
use crate::domain::password::WeakPassword;
use crate::domain::user::InvalidField;
use crate::limits::Exceeded;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The user can correct these errors.
    #[error("{}", .0.iter().map(|error| error.reason.to_string()).collect::<Vec<_>>().join(" "))]
    Refused(Vec<UserError>),
    #[error("{NotSignedIn}")]
    NotSignedIn,
    #[error(transparent)]
    Internal(ServiceError),
}

/// The user cannot correct this: the database is unavailable, or a row is unreadable.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A query failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A password could not be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingFailed),
    /// A token could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

/// An error that the user can correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserError {
    pub reason: Reason,
    /// The field of the input, as the schema spells it.
    pub field: Option<&'static str>,
}

/// What is wrong. `Display` is the text that the user sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, EnumDiscriminants)]
#[strum_discriminants(name(ReasonKind))]
pub enum Reason {
    /// `INVALID_EMAIL`
    #[error("This is not a valid email address.")]
    InvalidEmail,
    /// `INVALID_NAME`
    #[error("A name must have 1 to {max_chars} characters.")]
    InvalidName {
        /// The longest it may be.
        max_chars: usize,
    },
    /// `INVALID_INPUT`
    #[error(transparent)]
    InvalidInput(InvalidInput),
    /// `EMAIL_TAKEN`
    #[error("There is already an account with this email address. Sign in instead.")]
    EmailTaken,
    /// `ACCOUNT_NOT_FOUND`
    #[error("There is no account with this email address. Sign up first.")]
    AccountNotFound,
    /// `ACCOUNT_DISABLED`
    #[error("This account is disabled.")]
    AccountDisabled,
    /// `INVALID_CODE`
    #[error("This code is wrong or no longer valid.")]
    InvalidCode {
        /// How many more attempts the code allows.
        attempts_remaining: u32,
    },
    /// `CODE_EXPIRED`
    #[error("This code has expired. Request a new one.")]
    CodeExpired,
    /// `TOO_MANY_ATTEMPTS`
    #[error("There were too many wrong codes. Request a new one.")]
    TooManyAttempts,
    /// `RATE_LIMITED`
    #[error("Too many requests. Try again later.")]
    RateLimited {
        /// Seconds until the next attempt is allowed.
        retry_after_seconds: i64,
    },
    /// `WEAK_PASSWORD`
    #[error(transparent)]
    WeakPassword(WeakPassword),
    /// `INVALID_CREDENTIALS`
    #[error("The email address or the password is wrong.")]
    InvalidCredentials,
    /// `NOT_FOUND`
    #[error("Not found.")]
    NotFound,
    /// `EMAIL_NOT_VERIFIED`
    #[error("The email address must be verified first.")]
    EmailNotVerified,
    /// `NOT_TEAM_ADMIN`
    #[error("Only an admin of the team can do this.")]
    NotTeamAdmin,
    /// `ALREADY_MEMBER`
    #[error("This person is already a member of the team.")]
    AlreadyMember,
    /// `LAST_ADMIN`
    #[error("The team would be left without an admin. Make another member an admin first.")]
    LastAdmin,
    /// `INVITATION_EMAIL_MISMATCH`
    #[error("This invitation is for another email address.")]
    InvitationEmailMismatch,
    /// `INVALID_TOKEN`
    #[error("This link or token is no longer valid.")]
    InvalidToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    #[error("This can have at most {max_chars} characters.")]
    TooLong { max_chars: usize },
    #[error("This is not the email address of your account.")]
    NotConfirmed,
}

impl Reason {
    /// The error of this reason in `field`.
    pub fn at(self, field: &'static str) -> UserError {
        UserError {
            reason: self,
            field: Some(field),
        }
    }
}

impl From<Reason> for UserError {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            field: None,
        }
    }
}

impl<E: Into<UserError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Refused(vec![error.into()])
    }
}

impl From<InvalidEmail> for UserError {
    fn from(_: InvalidEmail) -> Self {
        Reason::InvalidEmail.at("email")
    }
}

impl From<InvalidField> for UserError {
    fn from(InvalidField { field, max_chars }: InvalidField) -> Self {
        match field {
            "name" => Reason::InvalidName { max_chars }.at(field),
            _ => Reason::InvalidInput(InvalidInput::TooLong { max_chars }).at(field),
        }
    }
}

impl From<Vec<InvalidField>> for Failure {
    fn from(fields: Vec<InvalidField>) -> Self {
        Self::Refused(fields.into_iter().map(Into::into).collect())
    }
}

impl From<Exceeded> for UserError {
    fn from(exceeded: Exceeded) -> Self {
        // Rounded up, so that a client that waits that long is let through.
        let wait = exceeded.retry_after + Duration::milliseconds(999);
        Reason::RateLimited {
            retry_after_seconds: wait.num_seconds().max(1),
        }
        .into()
    }
}

impl From<NotSignedIn> for Failure {
    fn from(_: NotSignedIn) -> Self {
        Self::NotSignedIn
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::Internal(error)
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<HashingFailed> for Failure {
    fn from(error: HashingFailed) -> Self {
        Self::Internal(error.into())
    }
}

impl From<SigningFailed> for Failure {
    fn from(error: SigningFailed) -> Self {
        Self::Internal(error.into())
    }
}
