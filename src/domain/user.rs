//! Users and their profiles.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::email::EmailAddress;
use super::id::UserId;

const NAME_MAX_CHARS: usize = 120;
const PHONE_MAX_CHARS: usize = 40;

#[derive(Clone, Debug)]
pub struct User {
    /// The `sub` of its access tokens.
    pub id: UserId,
    pub email: EmailAddress,
    pub profile: Profile,
    pub is_active: bool,
    /// Counts as an admin of every team.
    pub is_superuser: bool,
    pub email_verified_at: Option<Timestamp>,
    pub last_login_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl User {
    /// A user without a verified email address.
    pub fn new(id: UserId, email: EmailAddress, profile: Profile, now: Timestamp) -> Self {
        Self {
            id,
            email,
            profile,
            is_active: true,
            is_superuser: false,
            email_verified_at: None,
            last_login_at: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// A valid profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The display name.
    pub name: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
}

/// A profile before validation.
#[derive(Clone, Debug, Default)]
pub struct ProfileInput {
    pub name: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
}

/// Changes to a profile: `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::option_option,
    reason = "keeping, clearing and setting a field are different"
)]
pub struct ProfileChanges {
    pub name: Option<String>,
    pub first_name: Option<Option<String>>,
    pub last_name: Option<Option<String>>,
    pub phone: Option<Option<String>>,
    pub company: Option<Option<String>>,
}

impl Profile {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidField {
    /// The name of the field in the GraphQL schema.
    pub field: &'static str,
    pub max_chars: usize,
}

impl ProfileInput {
    /// Composes the display name of two names, cut to the maximum length.
    pub fn of_names(first_name: String, last_name: String) -> Self {
        let name = squeeze(&format!("{first_name} {last_name}"));
        Self {
            name: name.chars().take(NAME_MAX_CHARS).collect(),
            first_name: Some(first_name),
            last_name: Some(last_name),
            ..Self::default()
        }
    }

    /// Validates every field and returns all that are invalid.
    ///
    /// Text is trimmed and each run of whitespace becomes one space, so a name has no line breaks;
    /// other control characters are invalid. A blank optional field counts as missing.
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
            Err(invalid_name) => {
                invalid.insert(0, invalid_name);
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

/// A display name has 1 to 120 characters after trimming.
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

/// Invisible characters and those that change the text direction, which can make two different names
/// look alike. Joiners that some scripts and emoji need are allowed.
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
    fn every_invalid_field_is_named() {
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
