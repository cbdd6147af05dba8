//! Payloads: the result, or errors that the user can correct, never both.

use super::error::{ApiError, PayloadError};
use crate::service::Failure;

/// The result of a use case, or the errors that the user can correct.
pub(super) fn split<T>(
    outcome: Result<T, Failure>,
) -> Result<(Option<T>, Vec<PayloadError>), ApiError> {
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
    ($($(#[$doc:meta])* $name:ident { $(#[$field_doc:meta])* $field:ident: $ty:ty $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(async_graphql::SimpleObject)]
        pub(super) struct $name {
            $(#[$field_doc])*
            $field: Option<$ty>,
            /// Errors that the user can correct. Empty if and only if the mutation succeeded.
            errors: Vec<$crate::graphql::error::PayloadError>,
        }

        impl $name {
            /// The payload for the result of a use case; an error for what the user cannot correct.
            fn of<T: Into<$ty>>(
                outcome: Result<T, $crate::service::Failure>,
            ) -> Result<Self, $crate::graphql::error::ApiError> {
                let (done, errors) = $crate::graphql::payload::split(outcome)?;
                Ok(Self { $field: done.map(Into::into), errors })
            }
        }
    )+};
}

pub(super) use payloads;
