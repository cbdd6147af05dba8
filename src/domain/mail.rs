//! Mails: their kinds, what they say, and the outbox.

mod delivery;
mod outbox;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::code::Code;
use super::email::EmailAddress;
use super::id::MailId;
use super::named::{self, UnknownName};

pub use delivery::{DeliveryError, DeliveryErrorKind};
pub use outbox::{
    AttemptOutcome, BACKOFF_MAX, MailAttempt, MailRecord, MailState, OutboxMail, backoff,
};

/// What a mail is about. Its name is also that of its template folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// The code that proves an address at sign-up.
    SignupCode,
    /// The code that signs an account in.
    LoginCode,
    /// The code that proves the address of an account that was registered with a password.
    VerifyEmail,
    /// The code that proves the address an account is to change to.
    ChangeEmail,
    /// To the old address: the account's address is to change, or has changed.
    EmailChanged,
    /// The link to choose a new password.
    PasswordReset,
    /// The password was changed, or dropped because its owner had never proved the address.
    PasswordChanged,
    /// The link to join a team.
    TeamInvitation,
    /// The account was added to a team.
    TeamAdded,
    /// Somebody tried to sign up with an address that has an account already.
    AccountExists,
    /// Somebody tried to log in with an address that has no account.
    NoAccount,
}

/// The secret that a mail carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// None.
    Nothing,
    /// A code to be typed.
    Code,
    /// A link with a token in it.
    Link,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::SignupCode,
        Self::LoginCode,
        Self::VerifyEmail,
        Self::ChangeEmail,
        Self::EmailChanged,
        Self::PasswordReset,
        Self::PasswordChanged,
        Self::TeamInvitation,
        Self::TeamAdded,
        Self::AccountExists,
        Self::NoAccount,
    ];

    /// The name used in the database and for the template folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignupCode => "signup_code",
            Self::LoginCode => "login_code",
            Self::VerifyEmail => "verify_email",
            Self::ChangeEmail => "change_email",
            Self::EmailChanged => "email_changed",
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::TeamInvitation => "team_invitation",
            Self::TeamAdded => "team_added",
            Self::AccountExists => "account_exists",
            Self::NoAccount => "no_account",
        }
    }

    /// The secret it carries.
    pub fn carries(self) -> Carries {
        match self {
            Self::SignupCode | Self::LoginCode | Self::VerifyEmail | Self::ChangeEmail => {
                Carries::Code
            }
            Self::PasswordReset | Self::TeamInvitation => Carries::Link,
            Self::EmailChanged
            | Self::PasswordChanged
            | Self::TeamAdded
            | Self::AccountExists
            | Self::NoAccount => Carries::Nothing,
        }
    }
}

impl fmt::Display for MailKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for MailKind {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        named::find("mail kind", &Self::ALL, Self::name, name)
    }
}

/// What a mail says besides its secret; kept in the outbox row, so nothing here is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MailParams {
    /// The name of the person addressed, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address that an account changes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_email: Option<String>,
    /// What happened, where one kind of mail tells of two things.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub happened: Option<Happened>,
    /// The team's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_name: Option<String>,
    /// The name of whoever invites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inviter_name: Option<String>,
}

impl MailParams {
    /// For a mail that addresses somebody by name.
    pub fn to(name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..Self::default()
        }
    }
}

/// What happened, where one kind of mail tells of two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// The address is to change, once the new one is proved (`email_changed`).
    Requested,
    /// The address has changed, or the password was changed (`email_changed`,
    /// `password_changed`).
    Changed,
    /// The password was dropped: the address was proved by somebody else than who set it
    /// (`password_changed`).
    Dropped,
}

/// The values a template may use, those of one mail. What is `None` is undefined in a template.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MailContext {
    /// The code, in the clear: never logged, never stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The link with its token, in the clear: never logged, never stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// The address it goes to.
    pub email: String,
    /// The life of the code or link in minutes, counted from its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_minutes: Option<i64>,
    /// What the outbox row says; its fields are values of their own for a template.
    #[serde(flatten)]
    pub params: MailParams,
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
    /// Where it goes.
    pub to: EmailAddress,
    /// One line, without control characters.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML text.
    pub html: String,
    /// The code it carries, to show where mail is only pretended to be sent.
    pub code: Option<Code>,
    /// The link it carries, likewise.
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

    #[test]
    fn names_are_read_back() {
        for kind in MailKind::ALL {
            assert_eq!(kind.name().parse::<MailKind>().unwrap(), kind);
        }
        assert!("nonsense".parse::<MailKind>().is_err());
    }
}
