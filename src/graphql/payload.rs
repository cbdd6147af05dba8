//! Payloads: the result, or errors that the user can correct, never both.

use async_graphql::{Enum, Interface, Result, SimpleObject};

use crate::service::{Failure, Reason, ReasonKind, UserError};
use crate::telemetry::metrics::{ErrorPlace, count_error};

/// The result of a use case, or the errors that the user can correct.
pub(super) fn split<T>(outcome: Result<T, Failure>) -> Result<(Option<T>, Vec<PayloadError>)> {
    match outcome {
        Ok(done) => Ok((Some(done), Vec::new())),
        Err(Failure::Refused(errors)) => {
            Ok((None, errors.into_iter().map(PayloadError::from).collect()))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Defines payloads with one result each.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $field:ident: $ty:ty })+) => {$(
        $(#[$doc])*
        #[derive(async_graphql::SimpleObject)]
        pub(super) struct $name {
            /// The result; null if there are errors.
            $field: Option<$ty>,
            /// Errors that the user can correct. Empty if and only if the mutation succeeded.
            errors: Vec<$crate::graphql::payload::PayloadError>,
        }

        impl $name {
            /// The payload for the result of a use case; an error for what the user cannot correct.
            fn of<T: Into<$ty>>(
                outcome: Result<T, $crate::service::Failure>,
            ) -> async_graphql::Result<Self> {
                let (done, errors) = $crate::graphql::payload::split(outcome)?;
                Ok(Self { $field: done.map(Into::into), errors })
            }
        }
    )+};
}

pub(super) use payloads;

/// The kind of an error that the user can correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(display, remote = "ReasonKind")]
pub(super) enum ErrorCode {
    /// The email address is not valid.
    InvalidEmail,
    /// A name is empty or too long.
    InvalidName,
    /// Another field is empty, too long or malformed.
    InvalidInput,
    /// The password is too short, too common, or contains the email address or the name.
    WeakPassword,
    /// A user with this email address already exists.
    EmailTaken,
    /// There is no user with this email address.
    AccountNotFound,
    /// An administrator has disabled the account.
    AccountDisabled,
    /// The email address or the password is wrong.
    InvalidCredentials,
    /// The code is wrong, or no code was requested for this email address.
    InvalidCode,
    /// The code has expired.
    CodeExpired,
    /// Too many wrong codes were entered. A new code is needed.
    TooManyAttempts,
    /// There were too many requests in a short time.
    RateLimited,
    /// A reset, invitation or refresh token is unknown, used, revoked or expired.
    InvalidToken,
    /// The user must verify their email address first.
    EmailNotVerified,
    /// Not found, or not visible to the user.
    NotFound,
    /// Only an admin of the team can do this.
    NotTeamAdmin,
    /// The person is already a member of the team.
    AlreadyMember,
    /// The team would be left without an admin.
    LastAdmin,
    /// The invitation is for an email address other than the signed-in user's.
    InvitationEmailMismatch,
}

/// An error that the user can correct. Its types add fields; `code` and `message` need no fragment.
#[derive(Interface)]
#[graphql(
    name = "UserError",
    field(name = "code", ty = "&ErrorCode", desc = "The kind of the error."),
    field(
        name = "message",
        ty = "&String",
        desc = "A message for the user, in English."
    ),
    field(
        name = "field",
        ty = "&Option<Vec<String>>",
        desc = "The path of the field in the input, such as `[\"email\"]`; null if the error is not about one field."
    )
)]
pub(super) enum PayloadError {
    Input(InputError),
    InvalidCode(InvalidCodeError),
    RateLimited(RateLimitedError),
}

/// An error without further fields.
#[derive(SimpleObject)]
pub(super) struct InputError {
    /// The kind of the error.
    code: ErrorCode,
    /// A message for the user, in English.
    message: String,
    /// The path of the field in the input, such as `["email"]`; null if the error is not about one field.
    field: Option<Vec<String>>,
}

/// A code was wrong.
#[derive(SimpleObject)]
pub(super) struct InvalidCodeError {
    /// The kind of the error.
    code: ErrorCode,
    /// A message for the user, in English.
    message: String,
    /// The path of the field in the input, such as `["code"]`; null if the error is not about one field.
    field: Option<Vec<String>>,
    /// How many more attempts the code allows; 0 if there is no code.
    attempts_remaining: u32,
}

/// There were too many requests in a short time.
#[derive(SimpleObject)]
pub(super) struct RateLimitedError {
    /// The kind of the error.
    code: ErrorCode,
    /// A message for the user, in English.
    message: String,
    /// The path of the field in the input; null if the error is not about one field.
    field: Option<Vec<String>>,
    /// The number of seconds until the next attempt is allowed.
    retry_after_seconds: i64,
}

impl From<UserError> for PayloadError {
    fn from(error: UserError) -> Self {
        let code = ErrorCode::from(ReasonKind::from(error.reason));
        count_error(ErrorPlace::Payload, &code.to_string());
        let message = error.reason.to_string();
        let field = error.field.map(|field| vec![field.to_owned()]);
        match error.reason {
            Reason::InvalidCode { attempts_remaining } => Self::InvalidCode(InvalidCodeError {
                code,
                message,
                field,
                attempts_remaining,
            }),
            Reason::RateLimited {
                retry_after_seconds,
            } => Self::RateLimited(RateLimitedError {
                code,
                message,
                field,
                retry_after_seconds,
            }),
            _ => Self::Input(InputError {
                code,
                message,
                field,
            }),
        }
    }
}
