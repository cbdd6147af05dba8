//! Mails: their kinds, what they say, and the outbox.

mod delivery;
mod outbox;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strum::{Display, EnumDiscriminants, EnumString, IntoStaticStr, VariantArray};

use super::code::Code;
use super::email::EmailAddress;
use super::id::MailId;

pub use delivery::{DeliveryError, DeliveryErrorKind};
pub use outbox::{AttemptOutcome, BACKOFF_MAX, MailAttempt, MailState, OutboxMail, backoff};

/// What a mail says besides its secret. Its kind is also the name of its template folder, and
/// its fields are placeholders there. Text that is unknown is empty.
///
/// The outbox stores the name of the kind and the fields as JSON. Rows of deleted users have no
/// fields, and releases run beside each other during an update: so every field has a default,
/// and keeps its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, EnumDiscriminants)]
#[serde(tag = "kind", content = "params", rename_all = "snake_case")]
#[strum_discriminants(
    name(MailKind),
    derive(Hash, Display, EnumString, IntoStaticStr, VariantArray),
    strum(serialize_all = "snake_case", const_into_str)
)]
pub enum Mail {
    SignupCode {
        #[serde(default)]
        name: String,
    },
    LoginCode {
        #[serde(default)]
        name: String,
    },
    /// The code for the email address of a user who signed up with a password.
    VerifyEmail {
        #[serde(default)]
        name: String,
    },
    /// The code for the new email address of a user.
    ChangeEmail {
        #[serde(default)]
        name: String,
    },
    /// To the old email address.
    EmailChanged {
        #[serde(default)]
        name: String,
        #[serde(default)]
        new_email: String,
        #[serde(default)]
        happened: ChangeStatus,
    },
    PasswordReset {
        #[serde(default)]
        name: String,
    },
    PasswordChanged {
        #[serde(default)]
        name: String,
        #[serde(default)]
        happened: ChangeStatus,
    },
    TeamInvitation {
        #[serde(default)]
        team_name: String,
        #[serde(default)]
        inviter_name: String,
    },
    TeamAdded {
        #[serde(default)]
        name: String,
        #[serde(default)]
        team_name: String,
        #[serde(default)]
        inviter_name: String,
    },
    /// Someone tried to sign up with the email address of a user.
    AccountExists {
        #[serde(default)]
        name: String,
    },
    /// Someone tried to sign in with an email address that no user has.
    NoAccount {},
}

/// What has happened to an email address or a password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStatus {
    /// The new email address is not verified yet.
    Requested,
    #[default]
    Changed,
    /// The password was removed, because it may have been set by someone who did not own the
    /// email address.
    Dropped,
}

/// The secret that a kind of mail carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    Code,
    ResetLink,
    InvitationLink,
}

impl MailKind {
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }

    /// The name used in the database and for the template folder.
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    pub fn secret(self) -> Option<SecretKind> {
        match self {
            Self::SignupCode | Self::LoginCode | Self::VerifyEmail | Self::ChangeEmail => {
                Some(SecretKind::Code)
            }
            Self::PasswordReset => Some(SecretKind::ResetLink),
            Self::TeamInvitation => Some(SecretKind::InvitationLink),
            Self::EmailChanged
            | Self::PasswordChanged
            | Self::TeamAdded
            | Self::AccountExists
            | Self::NoAccount => None,
        }
    }
}

impl Mail {
    pub fn kind(&self) -> MailKind {
        self.into()
    }

    /// The fields, as the outbox stores them.
    pub fn params(&self) -> Value {
        json!(self)["params"].take()
    }

    /// Reads a mail of the outbox.
    pub fn from_row(kind: &str, params: &Value) -> Result<Self, serde_json::Error> {
        serde_json::from_value(json!({ "kind": kind, "params": params }))
    }

    /// A mail with usual values, for previews and tests.
    pub fn sample(kind: MailKind) -> Self {
        let name = "Ada Lovelace".to_owned();
        let team_name = "Analytical Engines".to_owned();
        let inviter_name = "Charles Babbage".to_owned();
        let happened = ChangeStatus::Changed;
        match kind {
            MailKind::SignupCode => Self::SignupCode { name },
            MailKind::LoginCode => Self::LoginCode { name },
            MailKind::VerifyEmail => Self::VerifyEmail { name },
            MailKind::ChangeEmail => Self::ChangeEmail { name },
            MailKind::EmailChanged => Self::EmailChanged {
                name,
                new_email: "countess@example.com".to_owned(),
                happened,
            },
            MailKind::PasswordReset => Self::PasswordReset { name },
            MailKind::PasswordChanged => Self::PasswordChanged { name, happened },
            MailKind::TeamInvitation => Self::TeamInvitation {
                team_name,
                inviter_name,
            },
            MailKind::TeamAdded => Self::TeamAdded {
                name,
                team_name,
                inviter_name,
            },
            MailKind::AccountExists => Self::AccountExists { name },
            MailKind::NoAccount => Self::NoAccount {},
        }
    }

    /// A sample of each thing that a kind of mail can say.
    pub fn samples(kind: MailKind) -> Vec<Self> {
        let sample = Self::sample(kind);
        let other = match sample.clone() {
            Self::EmailChanged {
                name, new_email, ..
            } => Some(Self::EmailChanged {
                name,
                new_email,
                happened: ChangeStatus::Requested,
            }),
            Self::PasswordChanged { name, .. } => Some(Self::PasswordChanged {
                name,
                happened: ChangeStatus::Dropped,
            }),
            _ => None,
        };
        [sample].into_iter().chain(other).collect()
    }
}

/// Everything that the templates of one mail may use, the settings apart.
#[derive(Clone, Debug)]
pub struct MailContext {
    pub mail: Mail,
    pub email: String,
    /// In the clear: never logged, never stored.
    pub code: Option<Code>,
    /// In the clear: never logged, never stored.
    pub link: Option<Link>,
    /// The lifetime of the code or link in minutes, from its creation.
    pub expiry_minutes: Option<i64>,
}

impl MailContext {
    /// A context with the one of `code` and `link` that the mail carries.
    pub fn sample(mail: Mail, code: Code, link: Link, expiry_minutes: i64) -> Self {
        let (code, link) = match mail.kind().secret() {
            None => (None, None),
            Some(SecretKind::Code) => (Some(code), None),
            Some(SecretKind::ResetLink | SecretKind::InvitationLink) => (None, Some(link)),
        };
        Self {
            email: "ada@example.com".to_owned(),
            expiry_minutes: mail.kind().secret().map(|_| expiry_minutes),
            mail,
            code,
            link,
        }
    }
}

/// A link with a token in it. `Debug` hides it; templates may serialise it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Link(String);

impl Link {
    /// A link to be mailed.
    pub fn new(url: String) -> Self {
        Self(url)
    }

    /// The link itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(***)")
    }
}

/// A mail ready to be handed to a provider. Its text may hold a secret, so `Debug` shows neither
/// subject nor text.
#[derive(Clone)]
pub struct RenderedMail {
    /// The outbox row.
    pub id: MailId,
    /// What it is about.
    pub kind: MailKind,
    pub to: EmailAddress,
    /// One line, without control characters.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML text.
    pub html: String,
    /// The code it carries, to show where mail is only pretended to be sent.
    pub code: Option<Code>,
    /// To show it where mail is only pretended to be sent, like `code`.
    pub link: Option<Link>,
}

impl fmt::Debug for RenderedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderedMail")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that version 0.1 wrote are read, and version 0.1 reads the rows that are written.
    #[test]
    fn stored_mails_are_compatible_between_releases() {
        let old = [
            ("login_code", json!({ "name": "Ada" })),
            ("no_account", json!({})),
            (
                "email_changed",
                json!({ "name": "Ada", "new_email": "b@example.com", "happened": "requested" }),
            ),
            (
                "password_changed",
                json!({ "name": "Ada", "happened": "dropped" }),
            ),
            (
                "team_invitation",
                json!({ "team_name": "Engines", "inviter_name": "Grace" }),
            ),
            (
                "team_added",
                json!({ "name": "Ada", "team_name": "Engines", "inviter_name": "Grace" }),
            ),
        ];
        for (kind, params) in old {
            let mail = Mail::from_row(kind, &params).unwrap();
            assert_eq!(mail.kind().name(), kind);
            assert_eq!(mail.params(), params);
        }
        let unnamed = Mail::from_row("team_invitation", &json!({ "team_name": "Engines" }));
        let expected = Mail::TeamInvitation {
            team_name: "Engines".to_owned(),
            inviter_name: String::new(),
        };
        assert_eq!(unnamed.unwrap(), expected);
    }

    #[test]
    fn mails_of_deleted_users_and_with_unknown_fields_are_read() {
        for kind in MailKind::all() {
            for params in [json!({}), json!({ "new": 1 })] {
                let mail = Mail::from_row(kind.name(), &params).unwrap();
                assert_eq!(mail.kind(), kind);
            }
            assert_eq!(kind.name().parse::<MailKind>().unwrap(), kind);
        }
        assert!(Mail::from_row("nonsense", &json!({})).is_err());
    }
}
