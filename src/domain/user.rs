//! Accounts and what people say about themselves.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::email::EmailAddress;
use super::id::UserId;

/// The longest name or company, in characters.
const NAME_MAX_CHARS: usize = 120;
/// The longest phone number, in characters, spaces included.
const PHONE_MAX_CHARS: usize = 40;

/// An account.
#[derive(Clone, Debug)]
pub struct User {
    /// Its identifier, the `sub` of its access tokens.
    pub id: UserId,
    /// Its address, unique.
    pub email: EmailAddress,
    /// What it says about itself.
    pub profile: Profile,
    /// Whether it can log in with a password.
    pub has_password: bool,
    /// Whether it may be used.
    pub is_active: bool,
    /// Whether it counts as an admin of every team.
    pub is_superuser: bool,
    /// When its address was proved, if ever.
    pub email_verified_at: Option<Timestamp>,
    /// When it last signed in.
    pub last_login_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// An account made at `now` that has proved nothing yet and has no password.
    pub fn new(id: UserId, email: EmailAddress, profile: Profile, now: Timestamp) -> Self {
        Self {
            id,
            email,
            profile,
            has_password: false,
            is_active: true,
            is_superuser: false,
            email_verified_at: None,
            last_login_at: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// What a person says about themselves. Made by [`ProfileInput::parse`] only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The display name.
    pub name: String,
    /// The given name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// The family name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// A telephone number, as typed.
    #[serde(default)]
    pub phone: Option<String>,
    /// The company.
    #[serde(default)]
    pub company: Option<String>,
}

/// A profile as typed, before any rule was applied.
#[derive(Clone, Debug, Default)]
pub struct ProfileInput {
    /// The display name; required.
    pub name: String,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// A telephone number.
    pub phone: Option<String>,
    /// The company.
    pub company: Option<String>,
}

/// Changes to a profile: `None` leaves a field as it is, an inner `None` empties it.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::option_option,
    reason = "GraphQL tells an absent field from null"
)]
pub struct ProfileChanges {
    /// The display name; cannot be emptied.
    pub name: Option<String>,
    /// The given name.
    pub first_name: Option<Option<String>>,
    /// The family name.
    pub last_name: Option<Option<String>>,
    /// A telephone number.
    pub phone: Option<Option<String>>,
    /// The company.
    pub company: Option<Option<String>>,
}

impl Profile {
    /// The profile with changes applied, by the rules of [`ProfileInput::parse`].
    pub fn changed(self, changes: ProfileChanges) -> Result<Self, Vec<InvalidField>> {
        ProfileInput {
            name: changes.name.unwrap_or(self.name),
            first_name: changes.first_name.unwrap_or(self.first_name),
            last_name: changes.last_name.unwrap_or(self.last_name),
            phone: changes.phone.unwrap_or(self.phone),
            company: changes.company.unwrap_or(self.company),
        }
        .parse()
    }
}

/// A field of a profile that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidField {
    /// The field, as the contract spells it.
    pub field: &'static str,
    /// The longest it may be, in characters.
    pub max_chars: usize,
}

impl ProfileInput {
    /// Of somebody who gave two names. Together they make the display name, cut where it would be
    /// too long.
    pub fn of_names(first_name: String, last_name: String) -> Self {
        let name = squeeze(&format!("{first_name} {last_name}"));
        Self {
            name: name.chars().take(NAME_MAX_CHARS).collect(),
            first_name: Some(first_name),
            last_name: Some(last_name),
            ..Self::default()
        }
    }

    /// Applies the rules of every field and answers with all that are broken.
    ///
    /// Text is trimmed and runs of white space become one space, so that no line break can enter
    /// a name; other control characters are refused. An optional field of nothing but white
    /// space counts as left out.
    pub fn parse(self) -> Result<Profile, Vec<InvalidField>> {
        let mut invalid = Vec::new();
        let mut optional = |field, text: Option<String>, max_chars| {
            let text = squeeze(&text?);
            if text.is_empty() {
                return None;
            }
            if !fits(&text, max_chars) {
                invalid.push(InvalidField { field, max_chars });
            }
            Some(text)
        };
        let first_name = optional("firstName", self.first_name, NAME_MAX_CHARS);
        let last_name = optional("lastName", self.last_name, NAME_MAX_CHARS);
        let phone = optional("phone", self.phone, PHONE_MAX_CHARS);
        let company = optional("company", self.company, NAME_MAX_CHARS);
        let name = match parse_name(&self.name) {
            Ok(name) => name,
            Err(broken) => {
                invalid.insert(0, broken);
                String::new()
            }
        };
        if invalid.is_empty() {
            Ok(Profile {
                name,
                first_name,
                last_name,
                phone,
                company,
            })
        } else {
            Err(invalid)
        }
    }
}

/// Applies the rules of a display name: 1 to 120 characters after trimming.
pub fn parse_name(text: &str) -> Result<String, InvalidField> {
    let name = squeeze(text);
    if !name.is_empty() && fits(&name, NAME_MAX_CHARS) {
        Ok(name)
    } else {
        Err(InvalidField {
            field: "name",
            max_chars: NAME_MAX_CHARS,
        })
    }
}

pub(super) fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn fits(text: &str, max_chars: usize) -> bool {
    text.chars().count() <= max_chars && !text.chars().any(|c| c.is_control() || is_deceptive(c))
}

/// Characters that show nothing or turn the text around them: two names could look the same. The
/// joiners that some scripts and emoji need are none of them.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{3164}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_become_spaces() {
        let input = ProfileInput {
            name: " Ada\r\nBcc:  eve ".to_owned(),
            company: Some("  \t ".to_owned()),
            ..ProfileInput::default()
        };
        let profile = input.parse().unwrap();
        assert_eq!(profile.name, "Ada Bcc: eve");
        assert_eq!(profile.company, None);
    }

    #[test]
    fn every_broken_field_is_named() {
        let input = ProfileInput {
            name: "Ada\u{202e}ecila".to_owned(),
            first_name: Some("x".repeat(121)),
            phone: Some("5".repeat(41)),
            ..ProfileInput::default()
        };
        let fields: Vec<_> = input.parse().unwrap_err().iter().map(|e| e.field).collect();
        assert_eq!(fields, ["name", "firstName", "phone"]);
    }
}
