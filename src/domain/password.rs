//! Passwords: the rules for new ones and their normal form.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::email::EmailAddress;

const MAX_CHARS: usize = 256;
/// The most common passwords in lower case, one per line.
const COMMON: &str = include_str!("common_passwords.txt");
/// Shorter names may equal a password by chance.
const PERSONAL_MIN_CHARS: usize = 4;

/// A password in Unicode's composed form (NFC), so that it is the same from every keyboard. `Debug`
/// hides it.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Without checking the rules for new passwords.
    pub fn new(text: &str) -> Self {
        Self(text.nfc().collect())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// Why a password is too weak. `Display` is shown to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    #[error("A password must have at least {min_chars} characters.")]
    TooShort { min_chars: usize },
    #[error("A password can have at most {MAX_CHARS} characters.")]
    TooLong,
    #[error("This password is too common.")]
    TooCommon,
    #[error("Your password must not be your email address or your name.")]
    TooPersonal,
}

#[derive(Clone, Copy, Debug)]
pub struct PasswordRule {
    /// `PASSWORD_MIN_LENGTH`, in characters.
    pub min_chars: usize,
}

impl PasswordRule {
    /// Checks a new password of the user with this email address and these names.
    pub fn parse<'a>(
        self,
        text: &str,
        email: &'a EmailAddress,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Password, WeakPassword> {
        let password = Password::new(text);
        let chars = password.0.chars().count();
        if chars < self.min_chars {
            return Err(WeakPassword::TooShort {
                min_chars: self.min_chars,
            });
        }
        if chars > MAX_CHARS {
            return Err(WeakPassword::TooLong);
        }
        let lower = password.0.to_lowercase();
        if is_common(&lower) {
            return Err(WeakPassword::TooCommon);
        }
        let bare = without_decoration(&lower);
        let is_personal = |fact: &str| {
            let fact = fact.to_lowercase();
            let fact: String = fact.split_whitespace().collect();
            fact.chars().count() >= PERSONAL_MIN_CHARS && (lower == fact || bare == fact)
        };
        let facts = [email.as_str(), email.local_part()];
        if facts.into_iter().chain(names).any(is_personal) {
            return Err(WeakPassword::TooPersonal);
        }
        Ok(password)
    }
}

/// Whether a password is on the list, possibly with digits and symbols around it, repeats a few
/// characters, or is a sequence.
fn is_common(lower: &str) -> bool {
    let bare = without_decoration(lower);
    let listed = COMMON
        .lines()
        .any(|common| common == lower || common == bare);
    listed || is_repetition(lower) || is_sequence(lower)
}

/// A password without digits and symbols at its ends, and without spaces.
fn without_decoration(lower: &str) -> String {
    lower
        .trim_matches(|c: char| !c.is_alphabetic())
        .split_whitespace()
        .collect()
}

/// `aaaaaaaa`, `abcabcabc`.
fn is_repetition(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=chars.len() / 2)
        .filter(|period| chars.len().is_multiple_of(*period) && *period <= 4)
        .any(|period| chars.chunks(period).all(|part| part == &chars[..period]))
}

/// `12345678`, `hgfedcba`.
fn is_sequence(text: &str) -> bool {
    let steps = |step: i64| {
        let codes: Vec<i64> = text.chars().map(|c| i64::from(u32::from(c))).collect();
        codes.windows(2).all(|pair| pair[1] - pair[0] == step)
    };
    steps(1) || steps(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), WeakPassword> {
        let email = EmailAddress::parse("ada.lovelace@example.com").unwrap();
        let rule = PasswordRule { min_chars: 8 };
        rule.parse(text, &email, ["Ada Lovelace", "Ada"])
            .map(|_| ())
    }

    #[test]
    fn uncommon_passwords_are_accepted() {
        for text in [
            "violet kettle under seven stairs",
            "zX9-quilt",
            "пароль-для-ады",
            "Adas-engine-7",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        assert_eq!(check(&"aB3!".repeat(2)), Err(WeakPassword::TooCommon));
    }

    #[test]
    fn common_passwords_are_refused() {
        for text in [
            "password",
            "Password1",
            "PASSWORD123!",
            "12345678",
            "qwertyuiop",
            "iloveyou2",
            "aaaaaaaaaa",
            "abcabcabc",
            "87654321",
            "abcdefgh",
            "letmein!!",
        ] {
            assert_eq!(check(text), Err(WeakPassword::TooCommon), "{text}");
        }
    }

    #[test]
    fn personal_passwords_are_refused() {
        for text in [
            "ada.lovelace@example.com",
            "Ada.Lovelace",
            "ada lovelace",
            "AdaLovelace1815!",
        ] {
            assert_eq!(check(text), Err(WeakPassword::TooPersonal), "{text}");
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(
            check("kürzer7"),
            Err(WeakPassword::TooShort { min_chars: 8 })
        );
        assert_eq!(check(&"ü-x9".repeat(65)), Err(WeakPassword::TooLong));
        assert_eq!(check(&format!("{}!", "ü-x9q".repeat(51))), Ok(()));
    }

    #[test]
    fn passwords_are_normalized() {
        assert_eq!(
            Password::new("e\u{301}").expose(),
            Password::new("é").expose()
        );
        assert!(!format!("{:?}", Password::new("secret")).contains("secret"));
    }

    #[test]
    fn the_list_is_in_lower_case() {
        for line in COMMON.lines() {
            assert_eq!(line, line.trim().to_lowercase());
        }
    }
}
