//! Short codes that verify an email address.

use std::fmt;

use chrono::Duration;
use serde::Serialize;
use strum::{EnumString, IntoStaticStr, VariantNames};

use super::clock::Timestamp;
use super::email::EmailAddress;
use super::id::{CodeId, InvitationId, Nonce, UserId};
use super::user::Profile;

/// Without 0, 1, I, L, O and U, which are easily confused or form words.
const ALPHANUMERIC: &[u8] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const DIGITS: &[u8] = b"0123456789";

/// What a code is for. It is not accepted for any other purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Purpose {
    Signup,
    Login,
    /// Verifies the email address of a user who registered with a password.
    VerifyEmail,
    /// Verifies the email address that a user changes to.
    ChangeEmail,
    /// Mailed as a link.
    PasswordReset,
}

#[derive(Clone, Copy, Debug, Default, EnumString, PartialEq, Eq, VariantNames)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum CodeType {
    #[default]
    Numeric,
    /// Digits and capital letters that are hard to confuse; case is ignored.
    Alphanumeric,
}

#[derive(Clone, Copy, Debug)]
pub struct CodeFormat {
    /// 4 to 8 characters.
    pub length: usize,
    pub code_type: CodeType,
}

impl CodeFormat {
    fn alphabet(self) -> &'static [u8] {
        match self.code_type {
            CodeType::Numeric => DIGITS,
            CodeType::Alphanumeric => ALPHANUMERIC,
        }
    }

    /// The number of possible codes.
    pub fn possible(self) -> f64 {
        let length = i32::try_from(self.length).unwrap_or(i32::MAX);
        let characters = u32::try_from(self.alphabet().len()).unwrap_or(u32::MAX);
        f64::from(characters).powi(length)
    }

    /// Encodes 128 bits of a MAC. Eight of 30 characters use 40 bits, so the bias towards any one
    /// code is below 2⁻⁸⁸.
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

    /// Parses a typed or pasted code, ignoring whitespace, hyphens and case. `None` if it cannot be
    /// a code of this format.
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

/// A code in plain text. `Debug` hides it; templates may serialize it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Code(String);

impl Code {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(***)")
    }
}

/// The row from which a code is computed; the code itself is never stored.
#[derive(Clone, Debug)]
pub struct VerificationCode {
    pub id: CodeId,
    pub purpose: Purpose,
    pub email: EmailAddress,
    /// The user it belongs to; `None` during sign-up.
    pub user_id: Option<UserId>,
    pub nonce: Nonce,
    /// The profile of the user to create; sign-up only.
    pub pending_profile: Option<Profile>,
    /// The invitation to accept once the email address is verified.
    pub invitation_id: Option<InvitationId>,
    /// Answers so far, right or wrong.
    pub attempts: u32,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
    /// When a newer code replaced it.
    pub superseded_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

impl VerificationCode {
    /// Whether a right answer would be accepted, unless all attempts are used.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && self.superseded_at.is_none() && now < self.expires_at
    }

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
