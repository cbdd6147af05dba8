//! Email addresses in canonical form.

use std::fmt;

use email_address::{EmailAddress as Syntax, Options};
use unicode_normalization::UnicodeNormalization;

/// The longest address SMTP allows (RFC 5321, 4.5.3.1.3, without the angle brackets).
const MAX_BYTES: usize = 254;

/// An email address in canonical form: trimmed, composed (NFC), lower case, with an ASCII domain
/// (IDNA). `Debug` masks it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid email address")]
pub struct InvalidEmail;

impl EmailAddress {
    /// Refuses quoted local parts, address literals (`user@[192.0.2.1]`), control characters, domains
    /// without a dot, and anything over 254 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let (local, domain) = text.trim().rsplit_once('@').ok_or(InvalidEmail)?;
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| InvalidEmail)?;
        let canonical = format!(
            "{}@{domain}",
            local.nfc().collect::<String>().to_lowercase()
        );
        let options = Options::default()
            .with_required_tld()
            .without_domain_literal()
            .without_display_text();
        let valid = canonical.len() <= MAX_BYTES
            && !local.contains('"')
            && !canonical.chars().any(char::is_control)
            && Syntax::parse_with_options(&canonical, options).is_ok();
        valid.then_some(Self(canonical)).ok_or(InvalidEmail)
    }

    /// An address from the database, where all are canonical.
    pub(crate) fn from_canonical(address: String) -> Self {
        Self(address)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn local_part(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }

    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }

    /// `a***@example.com`.
    pub fn masked(&self) -> String {
        mask(&self.0)
    }
}

/// Masks most of the local part of an address. Text that is not an address is masked entirely.
pub fn mask(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => {
            let shown: String = local.chars().take(1).collect();
            format!("{shown}***@{domain}")
        }
        None => "***".to_owned(),
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equivalent_spellings_are_equal() {
        for text in ["Ada@Example.COM", " ada@example.com ", "ADA@EXAMPLE.COM"] {
            assert_eq!(
                EmailAddress::parse(text).unwrap().as_str(),
                "ada@example.com"
            );
        }
        let composed = EmailAddress::parse("ren\u{e9}@example.com").unwrap();
        assert_eq!(
            EmailAddress::parse("rene\u{301}@example.com").unwrap(),
            composed
        );
        let international = EmailAddress::parse("ada@bücher.example").unwrap();
        assert_eq!(international.as_str(), "ada@xn--bcher-kva.example");
        assert_eq!(international.domain(), "xn--bcher-kva.example");
    }

    #[test]
    fn undeliverable_addresses_are_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for text in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "ada@@example.com",
            "ada @example.com",
            "ada@exam ple.com",
            "ada@[192.0.2.1]",
            "\"a b\"@example.com",
            "ada@example.com\r\nBcc: eve@example.com",
            "Ada <ada@example.com>",
            "a\0@example.com",
            "ada@example..com",
            "ada@-example.com",
            &long,
        ] {
            assert_eq!(EmailAddress::parse(text), Err(InvalidEmail), "{text:?}");
        }
    }

    #[test]
    fn debug_masks_the_local_part() {
        let email = EmailAddress::parse("ada.lovelace@example.com").unwrap();
        assert_eq!(format!("{email:?}"), "a***@example.com");
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_stable(text in "\\PC{0,40}@?\\PC{0,20}(\\.com)?") {
            if let Ok(email) = EmailAddress::parse(&text) {
                prop_assert_eq!(EmailAddress::parse(email.as_str()), Ok(email));
            }
        }
    }
}
