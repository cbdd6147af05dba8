//! What is held about a person, as they may have it: everything but secrets and what secrets are
//! derived from.

use serde::Serialize;
use uuid::Uuid;

use super::clock::Timestamp;

/// Everything that is held about an address and its account.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// The address that was asked for, in canonical form.
    pub email: String,
    /// When this was read.
    pub exported_at: Timestamp,
    /// The account, if the address has one.
    pub account: Option<ExportedAccount>,
    /// Its sessions, also those that ended.
    pub sessions: Vec<ExportedSession>,
    /// The teams it is in.
    pub memberships: Vec<ExportedMembership>,
    /// The invitations it sent.
    pub invitations_sent: Vec<ExportedInvitation>,
    /// The invitations of the address.
    pub invitations_received: Vec<ExportedInvitation>,
    /// The mails to the address or about the account, without their text.
    pub mails: Vec<ExportedMail>,
    /// The codes that were made for the address or the account, without the codes.
    pub codes: Vec<ExportedCode>,
}

impl Export {
    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.account.is_none()
            && self.sessions.is_empty()
            && self.memberships.is_empty()
            && self.invitations_sent.is_empty()
            && self.invitations_received.is_empty()
            && self.mails.is_empty()
            && self.codes.is_empty()
    }
}

/// An account.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedAccount {
    pub id: Uuid,
    pub email: String,
    pub name: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
    pub has_password: bool,
    pub is_active: bool,
    pub is_superuser: bool,
    pub email_verified_at: Option<Timestamp>,
    pub last_login_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A session.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedSession {
    pub id: Uuid,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub revoke_reason: Option<String>,
    pub user_agent: Option<String>,
    pub ip_address: Option<String>,
}

/// That an account is in a team.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedMembership {
    pub team_id: Uuid,
    pub team_name: String,
    pub role: String,
    pub joined_at: Timestamp,
}

/// An invitation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedInvitation {
    pub id: Uuid,
    pub team_id: Uuid,
    pub email: String,
    pub role: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub accepted_at: Option<Timestamp>,
    pub declined_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// A mail.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedMail {
    pub id: Uuid,
    pub kind: String,
    pub recipient: String,
    /// What it says besides its secret, such as the name of whoever invites.
    pub params: serde_json::Value,
    pub state: String,
    pub attempts: i32,
    pub provider: Option<String>,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
}

/// A code.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedCode {
    pub id: Uuid,
    pub purpose: String,
    pub email: String,
    /// What was given at a sign-up that is not finished.
    pub pending_profile: Option<serde_json::Value>,
    pub attempts: i32,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
    pub superseded_at: Option<Timestamp>,
}
