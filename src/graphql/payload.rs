//! Payloads: the result, or what a person can mend, never both.

/// Defines payloads of one result each, made from what a use case answered.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $(#[$field_doc:meta])* $field:ident: $ty:ty $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(async_graphql::SimpleObject)]
        pub(super) struct $name {
            $(#[$field_doc])*
            $field: Option<$ty>,
            /// What a person can mend; empty if and only if it was done.
            errors: Vec<$crate::graphql::error::PayloadError>,
        }

        impl $name {
            /// The payload for what a use case answered; an error for what no person can mend.
            fn of<T: Into<$ty>>(
                outcome: Result<T, $crate::service::Failure>,
            ) -> Result<Self, $crate::graphql::error::ApiError> {
                match outcome {
                    Ok(done) => Ok(Self { $field: Some(done.into()), errors: Vec::new() }),
                    Err($crate::service::Failure::Refused(errors)) => Ok(Self {
                        $field: None,
                        errors: errors.into_iter().map(Into::into).collect(),
                    }),
                    Err(failure) => Err(failure.into()),
                }
            }
        }
    )+};
}

pub(super) use payloads;
