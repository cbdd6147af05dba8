//! Credentials: what a user can sign in with besides codes sent to their email address.

use strum::{EnumString, IntoStaticStr};

use super::clock::Timestamp;
use super::id::{CredentialId, UserId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum CredentialKind {
    /// At most one per user; `data` is its hash.
    Password,
}

#[derive(Clone, Debug)]
pub struct Credential {
    pub id: CredentialId,
    pub user_id: UserId,
    pub kind: CredentialKind,
    /// What the kind needs to check a sign-in; never a secret in plain text.
    pub data: String,
    pub created_at: Timestamp,
    /// `None` if it was not used since it was created or migrated.
    pub last_used_at: Option<Timestamp>,
}
