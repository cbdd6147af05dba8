//! Errors as clients see them: those in payloads, and those at the top of an answer.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::{
    Enum, ErrorExtensionValues, InputType, Interface, Response, ServerError, SimpleObject, Value,
};

use crate::domain::operation::NotSignedIn;
use crate::service::{Failure, Reason, Rejection, ServiceError, UserError};
use crate::telemetry::metrics::{ErrorPlace, count_error};

/// What kind of mistake a person can mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ErrorCode {
    /// Not an e-mail address that mail can be sent to.
    InvalidEmail,
    /// A name that is empty or too long.
    InvalidName,
    /// Another field that is empty, too long or malformed.
    InvalidInput,
    /// A password that is too short, too common, or says who its owner is.
    WeakPassword,
    /// The address has an account already.
    EmailTaken,
    /// The address has no account.
    AccountNotFound,
    /// The account was disabled by an operator.
    AccountDisabled,
    /// Wrong address or password.
    InvalidCredentials,
    /// Wrong code, or no code is waiting for this address.
    InvalidCode,
    /// The code was right once, but its time is over.
    CodeExpired,
    /// The wrong-code budget of this code is spent; a new code is needed.
    TooManyAttempts,
    /// Too often in too short a time.
    RateLimited,
    /// A reset, invitation or refresh token that is unknown, used, revoked or expired.
    InvalidToken,
    /// The account must prove its address first.
    EmailNotVerified,
    /// There is no such thing, or it is not for the caller to see.
    NotFound,
    /// Only an admin of the team may do this.
    NotTeamAdmin,
    /// The person is a member of the team already.
    AlreadyMember,
    /// The team would be left without an admin.
    LastAdmin,
    /// The invitation is for another address than that of the signed-in account.
    InvitationEmailMismatch,
}

/// Something a person can mend. Subtypes add facts; `code` and `message` need no fragment.
#[derive(Interface)]
#[graphql(
    name = "UserError",
    field(name = "code", ty = "&ErrorCode", desc = "What kind of mistake it is."),
    field(
        name = "message",
        ty = "&String",
        desc = "A sentence for people, in English."
    ),
    field(
        name = "field",
        ty = "&Option<Vec<String>>",
        desc = "The path inside the input, such as `[\"email\"]`; null when none applies."
    )
)]
pub(super) enum PayloadError {
    Input(InputError),
    InvalidCode(InvalidCodeError),
    RateLimited(RateLimitedError),
}

/// A mistake without further facts.
#[derive(SimpleObject)]
pub(super) struct InputError {
    /// What kind of mistake it is.
    code: ErrorCode,
    /// A sentence for people, in English.
    message: String,
    /// The path inside the input, such as `["email"]`; null when none applies.
    field: Option<Vec<String>>,
}

/// A wrong code.
#[derive(SimpleObject)]
pub(super) struct InvalidCodeError {
    /// What kind of mistake it is.
    code: ErrorCode,
    /// A sentence for people, in English.
    message: String,
    /// The path inside the input, such as `["code"]`; null when none applies.
    field: Option<Vec<String>>,
    /// How many more answers the waiting code takes; 0 when none is waiting.
    attempts_remaining: u32,
}

/// Too often in too short a time.
#[derive(SimpleObject)]
pub(super) struct RateLimitedError {
    /// What kind of mistake it is.
    code: ErrorCode,
    /// A sentence for people, in English.
    message: String,
    /// The path inside the input; null when none applies.
    field: Option<Vec<String>>,
    /// Whole seconds until it is worth trying again.
    retry_after_seconds: i64,
}

impl From<UserError> for PayloadError {
    fn from(error: UserError) -> Self {
        let told = Self::of(error);
        if let Value::Enum(code) = told.kind().to_value() {
            count_error(ErrorPlace::Payload, &code);
        }
        told
    }
}

impl PayloadError {
    fn kind(&self) -> ErrorCode {
        match self {
            Self::Input(error) => error.code,
            Self::InvalidCode(error) => error.code,
            Self::RateLimited(error) => error.code,
        }
    }

    fn of(error: UserError) -> Self {
        let message = error.reason.to_string();
        let field = error.field.map(|field| vec![field.to_owned()]);
        let code = match error.reason {
            Reason::InvalidCode { attempts_remaining } => {
                let code = ErrorCode::InvalidCode;
                return Self::InvalidCode(InvalidCodeError {
                    code,
                    message,
                    field,
                    attempts_remaining,
                });
            }
            Reason::RateLimited {
                retry_after_seconds,
            } => {
                let code = ErrorCode::RateLimited;
                return Self::RateLimited(RateLimitedError {
                    code,
                    message,
                    field,
                    retry_after_seconds,
                });
            }
            Reason::InvalidEmail => ErrorCode::InvalidEmail,
            Reason::InvalidName { .. } => ErrorCode::InvalidName,
            Reason::InvalidInput { .. } | Reason::NotConfirmed => ErrorCode::InvalidInput,
            Reason::EmailTaken => ErrorCode::EmailTaken,
            Reason::AccountNotFound => ErrorCode::AccountNotFound,
            Reason::AccountDisabled => ErrorCode::AccountDisabled,
            Reason::CodeExpired => ErrorCode::CodeExpired,
            Reason::TooManyAttempts => ErrorCode::TooManyAttempts,
            Reason::InvalidToken => ErrorCode::InvalidToken,
            Reason::WeakPassword(_) => ErrorCode::WeakPassword,
            Reason::InvalidCredentials => ErrorCode::InvalidCredentials,
            Reason::NotFound => ErrorCode::NotFound,
            Reason::EmailNotVerified => ErrorCode::EmailNotVerified,
            Reason::NotTeamAdmin => ErrorCode::NotTeamAdmin,
            Reason::AlreadyMember => ErrorCode::AlreadyMember,
            Reason::LastAdmin => ErrorCode::LastAdmin,
            Reason::InvitationEmailMismatch => ErrorCode::InvitationEmailMismatch,
        };
        Self::Input(InputError {
            code,
            message,
            field,
        })
    }
}

/// Why a caller is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// There was no access token.
    Missing,
    /// The access token was of no use.
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
            Self::Missing => "Sign in first.",
            Self::Rejected(Rejection::Invalid) => "The access token is not valid.",
            Self::Rejected(Rejection::Expired) => "The access token has expired.",
            Self::Rejected(Rejection::Revoked) => "The session of this access token has ended.",
        }
    }
}

/// The errors at the top of an answer that resolvers raise.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("{}", .0.message())]
    Unauthenticated(Unauthenticated),
    #[error("{0}")]
    BadUserInput(Cow<'static, str>),
    /// What is asked about was deleted in this moment.
    #[error("This is not there any more.")]
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

/// A request that is answered without being run.
#[derive(Clone, Debug)]
pub enum RequestError {
    /// The access token is of no use.
    Unauthenticated(Unauthenticated),
    /// The request is not what GraphQL over HTTP asks for.
    BadUserInput(String),
    /// The document is not GraphQL.
    ParseFailed(async_graphql::parser::Error),
    /// The document asks for more than is allowed.
    TooComplex {
        message: String,
        /// The setting that allows no more, if there is one.
        setting: Option<&'static str>,
    },
    /// The request names a document by its hash, and nobody knows which: send it along.
    PersistedQueryNotFound,
    /// The operation ran for longer than it may.
    TimedOut,
    /// Nobody could tell.
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
            // Apollo's clients look for these words.
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

/// The parser draws a picture of the place, the last line of which says what was expected there.
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

/// Names the setting that was in the way.
fn with_limit(mut error: ServerError, setting: &str) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("limit", setting);
    error
}

pub(super) fn with_code(mut error: ServerError, code: &str) -> ServerError {
    error.extensions.get_or_insert_default().set("code", code);
    error
}

/// Names the request in every error of its answer.
pub fn set_request_id(response: &mut Response, request_id: &str) {
    for error in &mut response.errors {
        let extensions = error
            .extensions
            .get_or_insert_with(ErrorExtensionValues::default);
        extensions.set("requestId", request_id);
    }
}
