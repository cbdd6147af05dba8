//! Access tokens: JWTs (RFC 7519) of the type `at+jwt` (RFC 9068).

use std::collections::BTreeMap;

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

/// The `typ` of our tokens; no other is accepted.
const TOKEN_TYPE: &str = "at+jwt";
/// How far the clocks of two processes may differ, in seconds.
const LEEWAY_SECONDS: i64 = 2;

/// What an access token says. All of it is required.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The account.
    pub sub: UserId,
    /// Its address when the token was issued.
    pub email: String,
    /// Whether that email address was verified.
    pub email_verified: bool,
    /// Its teams and its role in each, for other services: never read here.
    pub teams: Vec<TeamClaim>,
    /// Whether it is in more teams than fit; left out where it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub teams_truncated: bool,
    /// What the account is beyond an ordinary one: `superuser` or nothing.
    pub roles: Vec<String>,
    /// The session.
    pub sid: SessionId,
    /// Unique to this token.
    pub jti: TokenId,
    /// Who issued it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// From when it is refused, in seconds since 1970.
    pub exp: i64,
}

/// One team of [`AccessClaims`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TeamClaim {
    /// The team.
    pub id: TeamId,
    /// `MEMBER` or `ADMIN`.
    pub role: String,
}

/// Why an access token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessTokenError {
    /// It is not one of ours.
    #[error("the access token is not valid")]
    Invalid,
    /// It was one of ours.
    #[error("the access token has expired")]
    Expired,
}

/// Signing failed, which no input can cause.
#[derive(Debug, thiserror::Error)]
#[error("the access token could not be signed")]
pub struct SigningFailed(#[from] jsonwebtoken::errors::Error);

/// The keys of access tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessTokensError {
    /// A private key is neither Ed25519 nor P-256.
    #[error("{setting} holds no Ed25519 or P-256 key in PEM (PKCS #8)")]
    PrivateKey {
        /// The setting it came from.
        setting: &'static str,
    },
    /// The first signature failed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// A token that was just signed is not accepted.
    #[error("a token that was just signed is not accepted")]
    SelfTest,
}

/// Issues and reads access tokens.
pub struct AccessTokens {
    signing: SigningKey,
    /// Every key that is accepted, by its `kid`.
    accepted: BTreeMap<String, AcceptedKey>,
    issuer: String,
    audience: String,
}

struct SigningKey {
    header: Header,
    key: EncodingKey,
}

struct AcceptedKey {
    key: DecodingKey,
    /// Names the one algorithm of the key.
    validation: Validation,
    /// The public key, where there is one.
    jwk: Option<Jwk>,
}

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessTokens")
            .field("kids", &self.accepted.keys())
            .finish_non_exhaustive()
    }
}

impl AccessTokens {
    /// Takes the private key, or else derives a key from the secret, and proves that a token
    /// signed by it is read again. All others in the settings are accepted too, each for its own
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
        let mut signing = None;
        let mut accepted = BTreeMap::new();
        for key in keys.into_iter().flatten() {
            let mut validation = Validation::new(key.algorithm);
            validation.set_issuer(&[&config.issuer]);
            validation.set_audience(&[&config.audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            // Judged by our own clock in `read`.
            validation.validate_exp = false;
            let header = Header {
                typ: Some(TOKEN_TYPE.to_owned()),
                kid: Some(key.kid.clone()),
                ..Header::new(key.algorithm)
            };
            signing.get_or_insert(SigningKey {
                header,
                key: key.signing,
            });
            let acceptable = AcceptedKey {
                key: key.verifying,
                validation,
                jwk: key.jwk,
            };
            accepted.insert(key.kid, acceptable);
        }
        let signing = signing.ok_or(AccessTokensError::SelfTest)?;
        let (issuer, audience) = (config.issuer.clone(), config.audience.clone());
        let tokens = Self {
            signing,
            accepted,
            issuer,
            audience,
        };
        tokens.self_test()?;
        Ok(tokens)
    }

    /// Who issues the tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// For whom they are.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The public keys, as a JWK set (RFC 7517); empty where tokens are signed with a secret.
    pub fn public_keys(&self) -> serde_json::Value {
        let keys: Vec<_> = self
            .accepted
            .values()
            .filter_map(|key| key.jwk.as_ref())
            .collect();
        serde_json::json!({ "keys": keys })
    }

    /// Signs claims.
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, SigningFailed> {
        Ok(encode(&self.signing.header, claims, &self.signing.key)?)
    }

    /// Reads a token that one of our keys signed for us and that has not expired.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<AccessClaims, AccessTokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| AccessTokenError::Invalid)?;
        let accepted = header
            .kid
            .filter(|_| header.typ.as_deref() == Some(TOKEN_TYPE) && header.crit.is_none())
            .and_then(|kid| self.accepted.get(&kid))
            .ok_or(AccessTokenError::Invalid)?;
        let claims = decode::<AccessClaims>(token, &accepted.key, &accepted.validation)
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

/// A key with the one algorithm it is for.
struct Key {
    kid: String,
    algorithm: Algorithm,
    signing: EncodingKey,
    verifying: DecodingKey,
    jwk: Option<Jwk>,
}

/// The key for HS256 that belongs to a secret; its name tells nothing of it.
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

/// A private key, named by the thumbprint of its public half (RFC 7638).
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
