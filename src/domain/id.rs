//! Typed ids: UUIDv7, so that primary keys are ordered by time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clock::Timestamp;

/// The random part of an identifier.
pub type IdEntropy = [u8; 10];

/// Randomness in a row that a code or token is derived from. A new one invalidates the old code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; 16]);

macro_rules! ids {
    ($($name:ident),+ $(,)?) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl From<(Timestamp, IdEntropy)> for $name {
            fn from((now, entropy): (Timestamp, IdEntropy)) -> Self {
                let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &entropy).into_uuid())
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

ids! {
    UserId,
    CodeId,
    CredentialId,
    SessionId,
    TeamId,
    MembershipId,
    InvitationId,
    MailId,
    RequestUuid,
    TokenId,
}
