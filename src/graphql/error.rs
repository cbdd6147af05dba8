//! Errors as clients see them: those in payloads and those at the top of a response.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::{
    Enum, ErrorExtensionValues, InputType, Interface, Response, ServerError, SimpleObject, Value,
};

use crate::domain::operation::NotSignedIn;
use crate::service::{Failure, Reason, Rejection, ServiceError, UserError};
use crate::telemetry::metrics::{ErrorPlace, count_error};

/// The kind of an error that the user can correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ErrorCode {
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
        let code = ErrorCode::from(&error.reason);
        if let Value::Enum(code) = code.to_value() {
            count_error(ErrorPlace::Payload, &code);
        }
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

impl From<&Reason> for ErrorCode {
    fn from(reason: &Reason) -> Self {
        match reason {
            Reason::InvalidCode { .. } => Self::InvalidCode,
            Reason::RateLimited { .. } => Self::RateLimited,
            Reason::InvalidEmail => Self::InvalidEmail,
            Reason::InvalidName { .. } => Self::InvalidName,
            Reason::InvalidInput { .. } | Reason::NotConfirmed => Self::InvalidInput,
            Reason::EmailTaken => Self::EmailTaken,
            Reason::AccountNotFound => Self::AccountNotFound,
            Reason::AccountDisabled => Self::AccountDisabled,
            Reason::CodeExpired => Self::CodeExpired,
            Reason::TooManyAttempts => Self::TooManyAttempts,
            Reason::InvalidToken => Self::InvalidToken,
            Reason::WeakPassword(_) => Self::WeakPassword,
            Reason::InvalidCredentials => Self::InvalidCredentials,
            Reason::NotFound => Self::NotFound,
            Reason::EmailNotVerified => Self::EmailNotVerified,
            Reason::NotTeamAdmin => Self::NotTeamAdmin,
            Reason::AlreadyMember => Self::AlreadyMember,
            Reason::LastAdmin => Self::LastAdmin,
            Reason::InvitationEmailMismatch => Self::InvitationEmailMismatch,
        }
    }
}

/// Why a request is not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    Missing,
    Rejected(Rejection),
}

impl Unauthenticated {
    fn reason(self) -> &'static str {
        match self {
            Self::Missing => "MISSING",
            Self::Rejected(Rejection::Invalid) => "INVALID",
            Self::Rejected(Rejection::Expired) => "EXPIRED",
            Self::Rejected(Rejection::Revoked) => "REVOKED",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Missing => "Sign in to continue.",
            Self::Rejected(Rejection::Invalid) => "The access token is not valid.",
            Self::Rejected(Rejection::Expired) => "The access token has expired.",
            Self::Rejected(Rejection::Revoked) => "The session of this access token has ended.",
        }
    }
}

/// The errors at the top of a response that resolvers raise.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("{}", .0.message())]
    Unauthenticated(Unauthenticated),
    #[error("{0}")]
    BadUserInput(Cow<'static, str>),
    /// The object was deleted while the request ran.
    #[error("This no longer exists.")]
    Gone,
    #[error("{INTERNAL_MESSAGE}")]
    Internal(#[source] Arc<ServiceError>),
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self::Internal(Arc::new(error))
    }
}

impl From<NotSignedIn> for ApiError {
    fn from(_: NotSignedIn) -> Self {
        Self::Unauthenticated(Unauthenticated::Missing)
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Internal(error) => error.into(),
            Failure::NotSignedIn => NotSignedIn.into(),
            Failure::Refused(errors) => {
                let reasons: Vec<_> = errors.iter().map(|e| e.reason.to_string()).collect();
                Self::BadUserInput(reasons.join(" ").into())
            }
        }
    }
}

const INTERNAL_MESSAGE: &str = "Something went wrong on our side.";

/// Why a request is refused without being executed.
#[derive(Clone, Debug)]
pub enum RequestError {
    Unauthenticated(Unauthenticated),
    /// The request violates GraphQL over HTTP.
    BadUserInput(String),
    ParseFailed(async_graphql::parser::Error),
    TooComplex {
        message: String,
        /// The setting that limits it, if there is one.
        setting: Option<&'static str>,
    },
    /// No document with this hash is known; the client must send the document.
    PersistedQueryNotFound,
    /// The operation ran longer than `GRAPHQL_TIMEOUT_SECONDS`.
    TimedOut,
    Internal,
}

impl From<RequestError> for ServerError {
    fn from(error: RequestError) -> Self {
        let (code, message) = match error {
            RequestError::Unauthenticated(why) => return unauthenticated(why),
            RequestError::BadUserInput(message) => ("BAD_USER_INPUT", message),
            RequestError::ParseFailed(error) => return parse_failed(error),
            RequestError::TooComplex { message, setting } => {
                let error = with_code(ServerError::new(message, None), "QUERY_TOO_COMPLEX");
                return match setting {
                    Some(setting) => with_limit(error, setting),
                    None => error,
                };
            }
            // Apollo's clients look for this message.
            RequestError::PersistedQueryNotFound => (
                "PERSISTED_QUERY_NOT_FOUND",
                "PersistedQueryNotFound".to_owned(),
            ),
            RequestError::TimedOut => {
                let error = ServerError::new("The operation took too long.", None);
                return with_limit(with_code(error, "INTERNAL"), "GRAPHQL_TIMEOUT_SECONDS");
            }
            RequestError::Internal => ("INTERNAL", INTERNAL_MESSAGE.to_owned()),
        };
        with_code(ServerError::new(message, None), code)
    }
}

/// Keeps the last line of the parser's message, which says what was expected; the lines before it
/// show the place in the document.
fn parse_failed(error: async_graphql::parser::Error) -> ServerError {
    let mut error = ServerError::from(error);
    if let Some((_, expected)) = error.message.rsplit_once("\n  = ") {
        error.message = format!("Syntax error: {expected}.");
    }
    with_code(error, "GRAPHQL_PARSE_FAILED")
}

pub(super) fn unauthenticated(why: Unauthenticated) -> ServerError {
    let mut error = with_code(ServerError::new(why.message(), None), "UNAUTHENTICATED");
    error
        .extensions
        .get_or_insert_default()
        .set("reason", why.reason());
    error
}

/// Adds the setting that was exceeded.
fn with_limit(mut error: ServerError, setting: &str) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("limit", setting);
    error
}

pub(super) fn with_code(mut error: ServerError, code: &str) -> ServerError {
    error.extensions.get_or_insert_default().set("code", code);
    error
}

/// Adds the request's ID to every error of a response.
pub fn set_request_id(response: &mut Response, request_id: &str) {
    for error in &mut response.errors {
        let extensions = error
            .extensions
            .get_or_insert_with(ErrorExtensionValues::default);
        extensions.set("requestId", request_id);
    }
}
