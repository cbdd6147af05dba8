//! How domain types are stored.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ArrayType, Nullable, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, QueryResult, TryFromU64, TryGetError, TryGetable, Value};

use crate::domain::code::Purpose;
use crate::domain::credential::CredentialKind;
use crate::domain::email::EmailAddress;
use crate::domain::id::{
    CodeId, CredentialId, InvitationId, MailId, MembershipId, Nonce, SessionId, TeamId, UserId,
};
use crate::domain::mail::{AttemptOutcome, MailState};
use crate::domain::session::{RevokeReason, SignInMethod};
use crate::domain::team::Role;
use crate::domain::user::Profile;

/// Stores a domain type as a type that the driver knows, by a conversion in each direction.
macro_rules! stored {
    ($type:ty as $stored:ty, $to:expr, $from:expr) => {
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                let to: fn($type) -> $stored = $to;
                to(value).into()
            }
        }

        impl TryGetable for $type {
            fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
                let stored = <$stored>::try_get_by(row, index)?;
                let from: fn($stored) -> Option<$type> = $from;
                from(stored).ok_or_else(|| {
                    let message = concat!("a row holds an invalid ", stringify!($type));
                    TryGetError::DbErr(DbErr::Type(message.to_owned()))
                })
            }
        }

        impl ValueType for $type {
            fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
                let from: fn($stored) -> Option<$type> = $from;
                from(<$stored as ValueType>::try_from(value)?).ok_or(ValueTypeErr)
            }

            fn type_name() -> String {
                stringify!($type).to_owned()
            }

            fn array_type() -> ArrayType {
                <$stored>::array_type()
            }

            fn column_type() -> ColumnType {
                <$stored>::column_type()
            }
        }

        impl Nullable for $type {
            fn null() -> Value {
                <$stored>::null()
            }
        }
    };
}

macro_rules! stored_ids {
    ($($id:ty),+) => {$(
        stored!($id as Uuid, Uuid::from, |id| Some(id.into()));

        impl TryFromU64 for $id {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($id)))
            }
        }
    )+};
}

macro_rules! stored_names {
    ($($type:ty),+) => {$(
        stored!(
            $type as String,
            |value| value.into_str().to_owned(),
            |name| name.parse().ok()
        );
    )+};
}

stored_ids!(
    CodeId,
    CredentialId,
    InvitationId,
    MailId,
    MembershipId,
    SessionId,
    TeamId,
    UserId
);
stored_names!(
    AttemptOutcome,
    CredentialKind,
    MailState,
    Purpose,
    RevokeReason,
    Role,
    SignInMethod
);
stored!(
    EmailAddress as String,
    |email| email.as_str().to_owned(),
    |text| Some(EmailAddress::from_canonical(text))
);
stored!(Nonce as Vec<u8>, |nonce| nonce.0.to_vec(), |bytes| bytes
    .try_into()
    .ok()
    .map(Nonce));
stored!(
    Profile as Json,
    |profile| serde_json::json!(profile),
    |json| serde_json::from_value(json).ok()
);
