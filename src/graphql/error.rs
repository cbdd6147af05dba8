//! The errors at the top of a response, as clients see them.

use std::error::Error;

use async_graphql::{ErrorExtensionValues, ServerError, Value};

use crate::service::{Failure, Rejection, ServiceError};
use crate::telemetry::event;

/// An error of a resolver that the client has to correct.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadUserInput(pub(super) &'static str);

/// An error with one of the codes in `docs/errors.md`.
fn coded(code: &str, message: impl Into<String>) -> ServerError {
    with_extension(ServerError::new(message, None), "code", code)
}

pub(crate) fn with_extension(mut error: ServerError, key: &str, value: &str) -> ServerError {
    let extensions = &mut error.extensions;
    extensions
        .get_or_insert_with(ErrorExtensionValues::default)
        .set(key, value);
    error
}

/// The code of an error, if it has one.
pub(crate) fn code(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

pub(crate) fn bad_user_input(message: impl Into<String>) -> ServerError {
    coded("BAD_USER_INPUT", message)
}

pub(super) fn too_complex(message: impl Into<String>) -> ServerError {
    coded("QUERY_TOO_COMPLEX", message)
}

/// The document exceeds what a setting allows.
pub(super) fn over_limit(message: String, setting: &str) -> ServerError {
    with_extension(too_complex(message), "limit", setting)
}

/// The client must send the document: none with this hash is known.
pub(crate) fn persisted_query_not_found() -> ServerError {
    // Apollo's clients look for this message.
    coded("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
}

/// The operation ran longer than `GRAPHQL_TIMEOUT_SECONDS`.
pub(crate) fn timed_out() -> ServerError {
    let error = coded("INTERNAL", "The operation took too long.");
    with_extension(error, "limit", "GRAPHQL_TIMEOUT_SECONDS")
}

pub(crate) fn internal() -> ServerError {
    coded("INTERNAL", "Something went wrong on our side.")
}

pub(crate) fn rejected(rejection: Rejection) -> ServerError {
    match rejection {
        Rejection::Invalid => unauthenticated("INVALID", "The access token is not valid."),
        Rejection::Expired => unauthenticated("EXPIRED", "The access token has expired."),
        Rejection::Revoked => {
            unauthenticated("REVOKED", "The session of this access token has ended.")
        }
    }
}

fn unauthenticated(reason: &str, message: &str) -> ServerError {
    with_extension(coded("UNAUTHENTICATED", message), "reason", reason)
}

/// Keeps the last line of the parser's message, which says what was expected; the lines before it
/// show the place in the document.
pub(super) fn parse_failed(error: async_graphql::parser::Error) -> ServerError {
    let mut error = ServerError::from(error);
    if let Some((_, expected)) = error.message.rsplit_once("\n  = ") {
        error.message = format!("Syntax error: {expected}.");
    }
    with_extension(error, "code", "GRAPHQL_PARSE_FAILED")
}

/// Gives an error of an execution its code by what raised it: a resolver, something that no
/// resolver should let through (it has a source), or async-graphql, which refuses values of the
/// wrong type.
pub(super) fn classify(error: ServerError) -> ServerError {
    if code(&error).is_some() {
        return error;
    }
    let classified = match error.source::<Failure>() {
        Some(Failure::NotSignedIn) => unauthenticated("MISSING", "Sign in to continue."),
        Some(Failure::Internal(cause)) => logged(cause),
        Some(Failure::Refused(_)) => bad_user_input(&error.message),
        None => match error.source::<ServiceError>() {
            Some(cause) => logged(cause),
            None if error.source.is_none() || error.source::<BadUserInput>().is_some() => {
                bad_user_input(&error.message)
            }
            None => logged(Box::<dyn Error>::from(&*error.message).as_ref()),
        },
    };
    ServerError {
        locations: error.locations,
        path: error.path,
        ..classified
    }
}

fn logged(cause: &(dyn Error + 'static)) -> ServerError {
    event::emit(event::InternalError::new(cause));
    internal()
}
