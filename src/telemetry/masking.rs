//! Hiding personal data in logs.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::hmac;
use tracing::Subscriber;
use tracing_subscriber::Layer;

use crate::config::{LogConfig, Masking};
use crate::domain::email::{self, EmailAddress};

/// Bytes of a hash that are shown, as twice as many hexadecimal digits: enough to tell people
/// apart in a log.
const HASH_BYTES: usize = 8;

/// `MASK_EMAILS_IN_LOGS` and `MASK_IP_IN_LOGS`, carried by the subscriber, so that there is no
/// global state.
pub struct Masker {
    emails: Masking,
    ips: Masking,
    hash_key: hmac::Key,
}

/// A no-op layer; it exists to be downcast to.
impl<S: Subscriber> Layer<S> for Masker {}

impl Masker {
    pub(super) fn new(config: &LogConfig, hash_key: &[u8; 32]) -> Self {
        Self {
            emails: config.mask_emails,
            ips: config.mask_ips,
            hash_key: hmac::Key::new(hmac::HMAC_SHA256, hash_key),
        }
    }

    pub(super) fn email(&self, email: &EmailAddress) -> String {
        self.address(email.as_str())
    }

    pub(super) fn ip(&self, ip: IpAddr) -> String {
        let ip = ip.to_canonical();
        match self.ips {
            Masking::Off => ip.to_string(),
            Masking::Mask => network(ip).to_string(),
            Masking::Hash => self.hash(&ip.to_string()),
        }
    }

    /// Free text: mail servers like to repeat the recipient in their errors.
    pub(super) fn text(&self, text: &str) -> String {
        if self.emails == Masking::Off {
            return text.to_owned();
        }
        text.split_inclusive(ends_word)
            .fold(String::with_capacity(text.len()), |hidden, piece| {
                let word = piece.trim_end_matches(|c| ends_word(c) || c == '.');
                let after = &piece[word.len()..];
                if word.contains('@') {
                    hidden + &self.address(&word.to_lowercase()) + after
                } else {
                    hidden + piece
                }
            })
    }

    fn address(&self, address: &str) -> String {
        match self.emails {
            Masking::Off => address.to_owned(),
            Masking::Mask => email::mask(address),
            Masking::Hash => self.hash(address),
        }
    }

    fn hash(&self, value: &str) -> String {
        let tag = hmac::sign(&self.hash_key, value.as_bytes());
        let bytes = tag.as_ref().iter().take(HASH_BYTES);
        bytes.fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// The /24 of an IPv4 address, the /48 of an IPv6 address.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
        }
    }
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || "<>()[]{}\"'`,;:=".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker(masking: Masking) -> Masker {
        Masker {
            emails: masking,
            ips: masking,
            hash_key: hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]),
        }
    }

    #[test]
    fn addresses_are_hidden_as_told() {
        let ada = EmailAddress::parse("ada@example.com").unwrap();
        assert_eq!(masker(Masking::Off).email(&ada), "ada@example.com");
        assert_eq!(masker(Masking::Mask).email(&ada), "a***@example.com");

        let hash = masker(Masking::Hash).email(&ada);
        assert_eq!(hash.len(), 16);
        assert!(hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
        assert_eq!(hash, masker(Masking::Hash).email(&ada), "it correlates");
        let other_key = Masker {
            hash_key: hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]),
            ..masker(Masking::Hash)
        };
        assert_ne!(hash, other_key.email(&ada), "it cannot be looked up");
    }

    #[test]
    fn networks_are_hidden_as_told() {
        let ip = |masking, text: &str| masker(masking).ip(text.parse().unwrap());
        assert_eq!(ip(Masking::Off, "192.0.2.77"), "192.0.2.77");
        assert_eq!(ip(Masking::Mask, "192.0.2.77"), "192.0.2.0");
        assert_eq!(ip(Masking::Mask, "::ffff:192.0.2.77"), "192.0.2.0");
        assert_eq!(ip(Masking::Mask, "2001:db8:1:2::3"), "2001:db8:1::");
        assert_eq!(
            ip(Masking::Hash, "192.0.2.77"),
            ip(Masking::Hash, "::ffff:192.0.2.77")
        );
        assert_ne!(
            ip(Masking::Hash, "192.0.2.77"),
            ip(Masking::Hash, "192.0.2.78")
        );
    }

    #[test]
    fn an_address_quoted_by_a_mail_server_is_hidden() {
        let answer = "550 5.1.1 <Ada@Example.com>: unknown; ask bob@example.com.";
        assert_eq!(masker(Masking::Off).text(answer), answer);
        assert_eq!(
            masker(Masking::Mask).text(answer),
            "550 5.1.1 <a***@example.com>: unknown; ask b***@example.com."
        );
        let hash = masker(Masking::Hash);
        let ada = EmailAddress::parse("ada@example.com").unwrap();
        assert!(hash.text(answer).contains(&hash.email(&ada)));
    }
}
