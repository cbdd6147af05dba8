//! Access tokens: JWTs (RFC 7519) of the type `at+jwt` (RFC 9068).

use std::collections::HashMap;

use chrono::DateTime;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::subkey;
use crate::config::TokensConfig;
use crate::domain::clock::Timestamp;
use crate::domain::id::{SessionId, TokenId, UserId};

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
    /// Its teams and its role in each, for other services: never read here.
    pub teams: Vec<TeamClaim>,
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
    pub id: uuid::Uuid,
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

/// Issues and reads access tokens. One key has exactly one algorithm.
pub struct AccessTokens {
    header: Header,
    signing: EncodingKey,
    /// By `kid`.
    accepted: HashMap<String, DecodingKey>,
    validation: Validation,
    issuer: String,
    audience: String,
}

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessTokens")
            .field("kid", &self.header.kid)
            .finish_non_exhaustive()
    }
}

impl AccessTokens {
    /// Derives the keys and proves that a token signed by them is read again.
    pub fn new(config: &TokensConfig) -> Result<Self, SigningFailed> {
        let (kid, key) = hs256_key(&config.secret_key);
        let mut accepted = HashMap::from([(kid.clone(), DecodingKey::from_secret(&key))]);
        if let Some(previous) = &config.secret_key_previous {
            let (kid, key) = hs256_key(previous);
            accepted.insert(kid, DecodingKey::from_secret(&key));
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Judged by our own clock below.
        validation.validate_exp = false;
        let tokens = Self {
            header: Header {
                typ: Some(TOKEN_TYPE.to_owned()),
                kid: Some(kid),
                ..Header::new(Algorithm::HS256)
            },
            signing: EncodingKey::from_secret(&key),
            accepted,
            validation,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
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

    /// Signs claims.
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, SigningFailed> {
        Ok(encode(&self.header, claims, &self.signing)?)
    }

    /// Reads a token that one of our keys signed for us and that has not expired.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<AccessClaims, AccessTokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| AccessTokenError::Invalid)?;
        let key = header
            .kid
            .filter(|_| header.typ.as_deref() == Some(TOKEN_TYPE) && header.crit.is_none())
            .and_then(|kid| self.accepted.get(&kid))
            .ok_or(AccessTokenError::Invalid)?;
        let claims = decode::<AccessClaims>(token, key, &self.validation)
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

    fn self_test(&self) -> Result<(), SigningFailed> {
        let now = DateTime::UNIX_EPOCH;
        let token = self.sign(&AccessClaims {
            sub: uuid::Uuid::nil().into(),
            email: String::new(),
            teams: Vec::new(),
            roles: Vec::new(),
            sid: uuid::Uuid::nil().into(),
            jti: uuid::Uuid::nil().into(),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            iat: now.timestamp(),
            exp: now.timestamp() + 1,
        })?;
        match self.read(&token, now) {
            Ok(_) => Ok(()),
            Err(_) => Err(SigningFailed(
                jsonwebtoken::errors::ErrorKind::InvalidSignature.into(),
            )),
        }
    }
}

/// The key for HS256 that belongs to a secret, and its public name.
fn hs256_key(secret: &SecretString) -> (String, [u8; 32]) {
    use base64::Engine;
    let name = subkey(secret, "access token key id");
    let kid = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&name[..8]);
    (kid, subkey(secret, "access token"))
}
