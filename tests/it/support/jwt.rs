//! Decodes and forges access tokens.

use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Every documented claim.
pub(crate) const CLAIMS: [&str; 11] = [
    "aud",
    "email",
    "email_verified",
    "exp",
    "iat",
    "iss",
    "jti",
    "roles",
    "sid",
    "sub",
    "teams",
];

/// A decoded token.
#[derive(Clone, Debug)]
pub(crate) struct Jwt {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) signature: String,
}

impl Jwt {
    pub(crate) fn read(token: &str) -> Self {
        let parts: Vec<_> = token.split('.').collect();
        assert_eq!(parts.len(), 3, "{token}");
        let json = |part: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
            serde_json::from_slice(&bytes).unwrap()
        };
        Self {
            header: json(parts[0]),
            claims: json(parts[1]),
            signature: parts[2].to_owned(),
        }
    }

    /// Changes a header field; null removes it.
    pub(crate) fn header(mut self, name: &str, value: Value) -> Self {
        set(&mut self.header, name, value);
        self
    }

    /// Changes a claim; null removes it.
    pub(crate) fn claim(mut self, name: &str, value: Value) -> Self {
        set(&mut self.claims, name, value);
        self
    }

    /// The text, with the original signature.
    pub(crate) fn unsigned(&self) -> String {
        format!("{}.{}", self.signed_part(), self.signature)
    }

    /// The text, signed with HMAC.
    pub(crate) fn signed(&self, algorithm: hmac::Algorithm, key: &[u8]) -> String {
        let signed = self.signed_part();
        let tag = hmac::sign(&hmac::Key::new(algorithm, key), signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    fn signed_part(&self) -> String {
        let text = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", text(&self.header), text(&self.claims))
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    let object = object.as_object_mut().unwrap();
    if value == json!(null) {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
}

/// The HS256 key that is derived from `JWT_SECRET_KEY`. Duplicated here so that a change of the
/// derivation, which would invalidate all issued tokens, fails the tests.
pub(crate) fn signing_key(secret: &str) -> [u8; 32] {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"gatelodge");
    let mut key = [0; 32];
    salt.extract(secret.as_bytes())
        .expand(&[b"access token"], hkdf::HKDF_SHA256)
        .and_then(|derived| derived.fill(&mut key))
        .unwrap();
    key
}
