//! Documents that clients name by their hash (automatic persisted queries), shared by all
//! processes over Redis.
//!
//! Anybody can store a document, so storage is bounded: the hash selects one of [`PLACES`], and a
//! later document replaces an earlier one. The next client that names the lost one sends it again.

use std::time::Duration;

use super::Services;
use crate::crypto;

/// The maximum number of shared documents; with [`MAX_BYTES`] at most 64 MiB.
const PLACES: u16 = 4096;
/// The longest document that is shared, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// How long a document is shared.
const LIFETIME: Duration = Duration::from_hours(24);

/// The SHA-256 of the text of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DocumentHash([u8; 32]);

impl DocumentHash {
    pub fn of(text: &str) -> Self {
        Self(crypto::sha256(text.as_bytes()))
    }

    /// From 64 hexadecimal digits.
    pub fn parse(hex: &str) -> Option<Self> {
        let mut hash = [0; 32];
        let digits = hex.as_bytes();
        if digits.len() != 2 * hash.len() {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(16 * digit(pair[0])? + digit(pair[1])?).ok()?;
        }
        Some(Self(hash))
    }

    fn key(&self) -> String {
        let place = u16::from_be_bytes([self.0[0], self.0[1]]) % PLACES;
        format!("document:{place:03x}")
    }
}

impl Services {
    /// The text of a shared document; `None` if it is unknown or Redis is unavailable.
    pub async fn shared_document(&self, hash: DocumentHash) -> Option<String> {
        match self.0.cache.get(&hash.key()).await {
            // Its place may hold another document.
            Ok(text) => text.filter(|text| DocumentHash::of(text) == hash),
            Err(error) => {
                self.report_cache(Err(error));
                None
            }
        }
    }

    /// Shares a document with all processes unless it is too long.
    pub async fn share_document(&self, hash: DocumentHash, text: &str) {
        if text.len() <= MAX_BYTES {
            self.report_cache(self.0.cache.put(&hash.key(), text, LIFETIME).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash is what other programs call the SHA-256, and nothing else is read as one.
    #[test]
    fn a_hash_is_64_hexadecimal_digits() {
        // printf '{me{id}}' | sha256sum
        let hex = "8a1ab4b0112458feae674c80d2d91ccbc820e0cedd000365c0b66271ee83aa79";
        let hash = DocumentHash::of("{me{id}}");
        assert_eq!(DocumentHash::parse(hex), Some(hash));
        assert_eq!(DocumentHash::parse(&hex.to_uppercase()), Some(hash));
        for wrong in [
            "",
            "00",
            &hex[1..],
            &format!("{hex}0"),
            &hex.replacen('a', "g", 1),
        ] {
            assert_eq!(DocumentHash::parse(wrong), None, "{wrong}");
        }
        assert_eq!(DocumentHash::parse(&"é".repeat(32)), None);
    }

    /// There is an end to the places, and one for every hash.
    #[test]
    fn every_document_has_one_of_the_places() {
        for (hash, key) in [
            ("0".repeat(64), "document:000"),
            ("f".repeat(64), "document:fff"),
        ] {
            assert_eq!(DocumentHash::parse(&hash).unwrap().key(), key);
        }
    }
}
