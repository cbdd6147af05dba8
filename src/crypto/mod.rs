//! Keys, and the codes and tokens derived from them, which are never stored.

use aws_lc_rs::{digest, hkdf, hmac, rand};
use secrecy::{ExposeSecret, SecretString};

use crate::config::TokensConfig;
use crate::domain::code::{Code, CodeFormat, VerificationCode};
use crate::domain::id::{CodeId, IdEntropy, InvitationId, Nonce, SessionId};
use crate::domain::team::Invitation;

mod access_token;
mod opaque_token;
mod passwords;

pub use access_token::{AccessClaims, AccessTokenError, AccessTokens, SigningFailed, TeamClaim};
pub use passwords::{Comparison, Hasher, HashingFailed};

/// Bytes from the operating system's random number generator. Panics if it fails.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "nothing is safe without randomness")]
    rand::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

pub fn id_entropy() -> IdEntropy {
    random()
}

/// Between 0 and 1.
pub fn random_fraction() -> f64 {
    f64::from(u32::from_be_bytes(random())) / f64::from(u32::MAX)
}

/// Keys derived from `JWT_SECRET_KEY`, one per purpose (HKDF-SHA256, RFC 5869). Those from
/// `JWT_SECRET_KEY_PREVIOUS` are still accepted.
#[derive(Debug)]
pub struct Keys {
    current: KeySet,
    previous: Option<KeySet>,
}

#[derive(Debug)]
struct KeySet {
    codes: hmac::Key,
    refresh: hmac::Key,
    reset: hmac::Key,
    invitation: hmac::Key,
    subjects: hmac::Key,
}

impl KeySet {
    fn derive(secret: &SecretString) -> Self {
        Self {
            codes: hmac_key(secret, "verification code"),
            refresh: hmac_key(secret, "refresh token"),
            reset: hmac_key(secret, "password reset"),
            invitation: hmac_key(secret, "team invitation"),
            subjects: hmac_key(secret, "limit subject"),
        }
    }
}

fn hmac_key(secret: &SecretString, purpose: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &subkey(secret, purpose))
}

fn subkey(secret: &SecretString, purpose: &str) -> [u8; 32] {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"gatelodge");
    let mut key = [0; 32];
    #[expect(clippy::expect_used, reason = "32 bytes are within what HKDF can give")]
    salt.extract(secret.expose_secret().as_bytes())
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .expect("HKDF gives 32 bytes");
    key
}

/// The key for hashes of email and IP addresses in logs.
pub fn log_hash_key(config: &TokensConfig) -> [u8; 32] {
    subkey(&config.secret_key, "log hash")
}

impl Keys {
    pub fn new(config: &TokensConfig) -> Self {
        Self {
            current: KeySet::derive(&config.secret_key),
            previous: config.secret_key_previous.as_ref().map(KeySet::derive),
        }
    }

    fn all(&self) -> impl Iterator<Item = &KeySet> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    pub fn code(&self, row: &VerificationCode, format: CodeFormat) -> Code {
        derive_code(&self.current, row, format)
    }

    /// Compares in constant time.
    pub fn is_code(&self, row: &VerificationCode, format: CodeFormat, answer: &Code) -> bool {
        self.all()
            .map(|keys| derive_code(keys, row, format))
            .map(|code| {
                let (code, answer) = (code.expose().as_bytes(), answer.expose().as_bytes());
                aws_lc_rs::constant_time::verify_slices_are_equal(code, answer).is_ok()
            })
            .fold(false, |found, equal| found | equal)
    }

    pub fn refresh_token(&self, session: SessionId, generation: u32) -> String {
        opaque_token::issue(
            &self.current.refresh,
            session.into(),
            &generation.to_be_bytes(),
        )
    }

    /// `None` if the token was not issued with these keys.
    pub fn read_refresh_token(&self, token: &str) -> Option<(SessionId, u32)> {
        let (id, generation) = self
            .all()
            .find_map(|keys| opaque_token::read(&keys.refresh, token))?;
        Some((id.into(), u32::from_be_bytes(generation)))
    }

    pub fn reset_token(&self, code: CodeId) -> String {
        opaque_token::issue(&self.current.reset, code.into(), &[])
    }

    /// `None` if the token was not issued with these keys.
    pub fn read_reset_token(&self, token: &str) -> Option<CodeId> {
        let (id, []) = self
            .all()
            .find_map(|keys| opaque_token::read(&keys.reset, token))?;
        Some(id.into())
    }

    pub fn invitation_token(&self, invitation: &Invitation) -> String {
        let key = &self.current.invitation;
        opaque_token::issue(key, invitation.id.into(), &invitation.nonce.0)
    }

    /// `None` if the token was not issued with these keys.
    pub fn read_invitation_token(&self, token: &str) -> Option<(InvitationId, Nonce)> {
        let (id, nonce) = self
            .all()
            .find_map(|keys| opaque_token::read(&keys.invitation, token))?;
        Some((id.into(), Nonce(nonce)))
    }

    /// A keyed hash of an email address, network or id that is counted, so that Redis contains no
    /// personal data.
    pub fn limit_subject(&self, subject: &str) -> String {
        use base64::Engine;
        let tag = hmac::sign(&self.current.subjects, subject.as_bytes());
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&tag.as_ref()[..16])
    }
}

fn derive_code(keys: &KeySet, row: &VerificationCode, format: CodeFormat) -> Code {
    let mut context = hmac::Context::with_key(&keys.codes);
    context.update(row.purpose.into_str().as_bytes());
    context.update(uuid::Uuid::from(row.id).as_bytes());
    context.update(&row.nonce.0);
    let tag = context.sign();
    let mut bits = [0; 16];
    bits.copy_from_slice(&tag.as_ref()[..16]);
    format.encode(bits)
}
