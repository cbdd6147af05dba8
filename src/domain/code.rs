//! Short codes that prove an address: their format, their life, and what an answer to one means.

use std::fmt;
use std::str::FromStr;

use chrono::Duration;
use serde::{Serialize, Serializer};

use super::clock::Timestamp;
use super::email::EmailAddress;
use super::id::{CodeId, InvitationId, UserId};
use super::named::{self, UnknownName};
use super::user::Profile;

/// The alphabet of alphanumeric codes: no 0, 1, I, L, O or U, which are easily taken for another
/// or make words.
const ALPHANUMERIC: &[u8] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const DIGITS: &[u8] = b"0123456789";

/// What a code proves. A code of one purpose is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A new account's address.
    Signup,
    /// The right to sign in.
    Login,
    /// The address of an account that was registered with a password.
    VerifyEmail,
    /// The address that an account is to change to.
    ChangeEmail,
    /// The right to choose a new password; mailed as a link.
    PasswordReset,
}

impl Purpose {
    const ALL: [Self; 5] = [
        Self::Signup,
        Self::Login,
        Self::VerifyEmail,
        Self::ChangeEmail,
        Self::PasswordReset,
    ];

    /// The name used in the database, in logs and to separate keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signup => "signup",
            Self::Login => "login",
            Self::VerifyEmail => "verify_email",
            Self::ChangeEmail => "change_email",
            Self::PasswordReset => "password_reset",
        }
    }
}

impl FromStr for Purpose {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        named::find("code purpose", &Self::ALL, Self::name, name)
    }
}

/// Which characters a code is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeType {
    /// Digits only.
    Numeric,
    /// Digits and capital letters that are not mistaken for each other; case does not matter.
    Alphanumeric,
}

/// How codes look and how long they live.
#[derive(Clone, Copy, Debug)]
pub struct CodeFormat {
    /// Characters, 4 to 8.
    pub length: usize,
    /// Which characters.
    pub code_type: CodeType,
}

impl CodeFormat {
    fn alphabet(self) -> &'static [u8] {
        match self.code_type {
            CodeType::Numeric => DIGITS,
            CodeType::Alphanumeric => ALPHANUMERIC,
        }
    }

    /// How many codes there are, which is what a guess has against it.
    pub fn possible(self) -> f64 {
        let length = i32::try_from(self.length).unwrap_or(i32::MAX);
        let characters = u32::try_from(self.alphabet().len()).unwrap_or(u32::MAX);
        f64::from(characters).powi(length)
    }

    /// Maps 128 bits of a MAC onto the alphabet. Eight characters of thirty need 40 bits, so the
    /// bias towards any one code is below 2⁻⁸⁸.
    pub fn encode(self, mac: [u8; 16]) -> Code {
        let alphabet = self.alphabet();
        let base = alphabet.len() as u128;
        let mut rest = u128::from_be_bytes(mac);
        let mut text = String::with_capacity(self.length);
        for _ in 0..self.length {
            let index = usize::try_from(rest % base).unwrap_or_default();
            text.push(char::from(alphabet[index]));
            rest /= base;
        }
        Code(text)
    }

    /// Reads what a person typed or pasted: white space and hyphens do not matter, nor does case.
    /// `None` if no code of this format looks like that.
    pub fn parse(self, text: &str) -> Option<Code> {
        let code: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .take(self.length + 1)
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let valid =
            code.len() == self.length && code.bytes().all(|byte| self.alphabet().contains(&byte));
        valid.then_some(Code(code))
    }
}

/// A code in the clear. `Debug` hides it; templates may serialise it.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// The code itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(***)")
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A row that a code is computed from; the code itself is stored nowhere.
#[derive(Clone, Debug)]
pub struct VerificationCode {
    /// The row.
    pub id: CodeId,
    /// What it proves.
    pub purpose: Purpose,
    /// The address it was sent to.
    pub email: EmailAddress,
    /// The account it belongs to; none while signing up.
    pub user_id: Option<UserId>,
    /// Randomness that goes into the code.
    pub nonce: Vec<u8>,
    /// The profile of an account still to be made; sign-up only.
    pub pending_profile: Option<Profile>,
    /// The team to be joined once the address is proved.
    pub invitation_id: Option<InvitationId>,
    /// How many answers were counted, right or wrong.
    pub attempts: u32,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
    /// When it was answered rightly.
    pub used_at: Option<Timestamp>,
    /// When a newer one took its place.
    pub superseded_at: Option<Timestamp>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

impl VerificationCode {
    /// Whether a right answer would be accepted at `now`, the budget of answers left aside.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && self.superseded_at.is_none() && now < self.expires_at
    }

    /// The life it was given.
    pub fn lifetime(&self) -> Duration {
        self.expires_at - self.created_at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(length: usize, code_type: CodeType) -> CodeFormat {
        CodeFormat { length, code_type }
    }

    #[test]
    fn pasted_codes_are_read() {
        let numeric = format(6, CodeType::Numeric);
        for text in ["123456", " 123456\n", "123 456", "123-456"] {
            assert_eq!(numeric.parse(text).unwrap().expose(), "123456", "{text:?}");
        }
        let alphanumeric = format(4, CodeType::Alphanumeric);
        assert_eq!(alphanumeric.parse("ab2c").unwrap().expose(), "AB2C");
    }

    #[test]
    fn what_cannot_be_a_code_is_refused() {
        let numeric = format(6, CodeType::Numeric);
        for text in [
            "",
            "12345",
            "1234567",
            "12345a",
            "１２３４５６",
            "12345\u{0}",
        ] {
            assert!(numeric.parse(text).is_none(), "{text:?}");
        }
        assert!(format(4, CodeType::Alphanumeric).parse("AB0O").is_none());
    }

    #[test]
    fn debug_hides_the_code() {
        let code = format(6, CodeType::Numeric).encode([7; 16]);
        assert!(!format!("{code:?}").contains(code.expose()));
    }

    proptest! {
        #[test]
        fn every_code_reads_back(mac: [u8; 16], length in 4_usize..=8, numeric: bool) {
            let kind = if numeric { CodeType::Numeric } else { CodeType::Alphanumeric };
            let format = format(length, kind);
            let code = format.encode(mac);
            prop_assert_eq!(code.expose().len(), length);
            prop_assert_eq!(format.parse(code.expose()), Some(code));
        }
    }
}
