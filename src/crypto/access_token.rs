//! Access tokens: JWTs (RFC 7519) of the type `at+jwt` (RFC 9068).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::subkey;
use crate::config::TokensConfig;
use crate::domain::clock::Timestamp;
use crate::domain::id::{SessionId, TeamId, TokenId, UserId};

/// The only accepted `typ`.
const TOKEN_TYPE: &str = "at+jwt";
/// The tolerated difference between the clocks of two processes.
const LEEWAY_SECONDS: i64 = 2;

/// All claims are required.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccessClaims {
    pub sub: UserId,
    /// The user's email address when the token was issued.
    pub email: String,
    /// Whether that email address was verified.
    pub email_verified: bool,
    /// The user's teams and roles, for other services; never read here.
    pub teams: Vec<TeamClaim>,
    /// Whether there are more teams than fit; omitted if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub teams_truncated: bool,
    /// `superuser` or nothing.
    pub roles: Vec<String>,
    pub sid: SessionId,
    pub jti: TokenId,
    pub iss: String,
    pub aud: String,
    /// Seconds since 1970.
    pub iat: i64,
    /// Seconds since 1970.
    pub exp: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TeamClaim {
    pub id: TeamId,
    /// `MEMBER` or `ADMIN`.
    pub role: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessTokenError {
    #[error("the access token is not valid")]
    Invalid,
    #[error("the access token has expired")]
    Expired,
}

/// No input causes this.
#[derive(Debug, thiserror::Error)]
#[error("the access token could not be signed")]
pub struct SigningFailed(#[from] jsonwebtoken::errors::Error);

#[derive(Debug, thiserror::Error)]
pub enum AccessTokensError {
    #[error("{setting} contains no Ed25519 or P-256 key in PEM (PKCS #8)")]
    PrivateKey { setting: &'static str },
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    #[error("a token that was just signed is not accepted")]
    SelfTest,
}

pub struct AccessTokens {
    /// The first key signs; all are accepted.
    keys: Vec<(Key, Validation)>,
    issuer: String,
    audience: String,
}

struct Key {
    kid: String,
    algorithm: Algorithm,
    signing: EncodingKey,
    verifying: DecodingKey,
    jwk: Option<Jwk>,
}

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessTokens")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl AccessTokens {
    /// Signs with the private key if there is one, otherwise with a key derived from the secret, and
    /// checks that such a token is accepted. Also accepts the other configured keys, each for its own
    /// algorithm.
    pub fn new(config: &TokensConfig) -> Result<Self, AccessTokensError> {
        let private = |key: &Option<SecretString>, setting| {
            key.as_ref()
                .map(|pem| private_key(pem, setting))
                .transpose()
        };
        let keys = [
            private(&config.private_key, "JWT_PRIVATE_KEY")?,
            Some(derived_key(&config.secret_key)),
            private(&config.private_key_previous, "JWT_PRIVATE_KEY_PREVIOUS")?,
            config.secret_key_previous.as_ref().map(derived_key),
        ];
        let tokens = Self {
            keys: keys
                .into_iter()
                .flatten()
                .map(|key| {
                    let validation = validation(&key, config);
                    (key, validation)
                })
                .collect(),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        };
        tokens.self_test()?;
        Ok(tokens)
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The public keys as a JWK set (RFC 7517); empty if tokens are signed with a secret.
    pub fn public_keys(&self) -> serde_json::Value {
        let keys: Vec<_> = self
            .keys
            .iter()
            .filter_map(|(key, _)| key.jwk.as_ref())
            .collect();
        serde_json::json!({ "keys": keys })
    }

    pub fn sign(&self, claims: &AccessClaims) -> Result<String, SigningFailed> {
        let (key, _) = &self.keys[0];
        let header = Header {
            typ: Some(TOKEN_TYPE.to_owned()),
            kid: Some(key.kid.clone()),
            ..Header::new(key.algorithm)
        };
        Ok(encode(&header, claims, &key.signing)?)
    }

    pub fn read(&self, token: &str, now: Timestamp) -> Result<AccessClaims, AccessTokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| AccessTokenError::Invalid)?;
        if header.typ.as_deref() != Some(TOKEN_TYPE) || header.crit.is_some() {
            return Err(AccessTokenError::Invalid);
        }
        let mut keys = self.keys.iter();
        let key = keys.find(|(key, _)| header.kid.as_ref() == Some(&key.kid));
        let (key, validation) = key.ok_or(AccessTokenError::Invalid)?;
        let claims = decode::<AccessClaims>(token, &key.verifying, validation)
            .map_err(|_| AccessTokenError::Invalid)?
            .claims;
        if claims.exp <= now.timestamp() {
            Err(AccessTokenError::Expired)
        } else if claims.iat > now.timestamp() + LEEWAY_SECONDS {
            Err(AccessTokenError::Invalid)
        } else {
            Ok(claims)
        }
    }

    fn self_test(&self) -> Result<(), AccessTokensError> {
        let now = DateTime::UNIX_EPOCH;
        let token = self.sign(&AccessClaims {
            sub: Uuid::nil().into(),
            email: String::new(),
            email_verified: false,
            teams: Vec::new(),
            teams_truncated: false,
            roles: Vec::new(),
            sid: Uuid::nil().into(),
            jti: Uuid::nil().into(),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            iat: now.timestamp(),
            exp: now.timestamp() + 1,
        })?;
        self.read(&token, now)
            .map(|_| ())
            .map_err(|_| AccessTokensError::SelfTest)
    }
}

/// Allows the algorithm of the key only.
fn validation(key: &Key, config: &TokensConfig) -> Validation {
    let mut validation = Validation::new(key.algorithm);
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&[&config.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Checked in `read`, by our clock.
    validation.validate_exp = false;
    validation
}

/// The HS256 key of a secret. Its `kid` reveals nothing about the secret.
fn derived_key(secret: &SecretString) -> Key {
    let name = subkey(secret, "access token key id");
    let key = subkey(secret, "access token");
    Key {
        kid: BASE64_URL_SAFE_NO_PAD.encode(&name[..8]),
        algorithm: Algorithm::HS256,
        signing: EncodingKey::from_secret(&key),
        verifying: DecodingKey::from_secret(&key),
        jwk: None,
    }
}

/// A private key whose `kid` is the thumbprint of its public key (RFC 7638).
fn private_key(pem: &SecretString, setting: &'static str) -> Result<Key, AccessTokensError> {
    let pem = pem.expose_secret().as_bytes();
    let key = EncodingKey::from_ed_pem(pem)
        .map(|key| (key, Algorithm::EdDSA))
        .or_else(|_| EncodingKey::from_ec_pem(pem).map(|key| (key, Algorithm::ES256)))
        .and_then(|(signing, algorithm)| {
            let mut jwk = Jwk::from_encoding_key(&signing, algorithm)?;
            let kid = jwk.thumbprint(ThumbprintHash::SHA256)?;
            jwk.common.key_id = Some(kid.clone());
            let verifying = DecodingKey::from_jwk(&jwk)?;
            Ok(Key {
                kid,
                algorithm,
                signing,
                verifying,
                jwk: Some(jwk),
            })
        });
    key.map_err(|_| AccessTokensError::PrivateKey { setting })
}
