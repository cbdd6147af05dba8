//! Whether a session is active, checked at every request: in the cache, then in the database.
//!
//! Revoking a session writes a tombstone to the cache. A reader that finds a session active in the
//! database fills the cache only if it has no entry, so that a slow reader cannot overwrite a
//! tombstone.

use std::time::Duration as StdDuration;

use chrono::Duration;
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use super::{Caller, ServiceError, Services};
use crate::cache::CacheError;
use crate::crypto::{AccessClaims, AccessTokenError};
use crate::db::sessions;
use crate::domain::id::{SessionId, UserId};
use crate::domain::operation::UserSession;
use crate::telemetry::event;

/// How long a session counts as active without asking the database again; `last_used_at` is
/// updated about that often.
const LIVENESS_LIFETIME: StdDuration = StdDuration::from_mins(1);
/// How long the mark of an ended session is kept: much longer than a reader can take between
/// asking the database and filling the cache, and longer than what was filled before.
const TOMBSTONE_LIFETIME: StdDuration = StdDuration::from_mins(5);

/// Why a request with an access token is refused.
#[derive(Debug)]
pub enum AuthenticationError {
    Rejected(Rejection),
    /// The session could not be looked up.
    Internal(ServiceError),
}

impl From<ServiceError> for AuthenticationError {
    fn from(error: ServiceError) -> Self {
        Self::Internal(error)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Malformed, or signed with an unknown key.
    Invalid,
    Expired,
    /// Its session was revoked.
    Revoked,
}

/// What the cache says of a session.
#[derive(Serialize, Deserialize)]
enum SessionStatus {
    Active { user_id: UserId, is_superuser: bool },
    Revoked,
}

impl Caller {
    /// Who presents an access token. Token, session and account must all be alive; the last two
    /// are asked for at each request, in the cache, then in the database.
    pub async fn authenticate(&self, token: &str) -> Result<UserSession, AuthenticationError> {
        let rejected = |rejection: Rejection, claims: Option<&AccessClaims>| {
            self.emit(event::TokenRejected {
                user_id: claims.map(|claims| claims.sub),
                session_id: claims.map(|claims| claims.sid),
                reason: match rejection {
                    Rejection::Invalid => "invalid",
                    Rejection::Expired => "expired",
                    Rejection::Revoked => "revoked",
                },
            });
            AuthenticationError::Rejected(rejection)
        };
        let claims = match self.0.access_tokens.read(token, self.now()) {
            Ok(claims) => claims,
            Err(AccessTokenError::Invalid) => return Err(rejected(Rejection::Invalid, None)),
            Err(AccessTokenError::Expired) => return Err(rejected(Rejection::Expired, None)),
        };
        match self.liveness(claims.sid).await? {
            SessionStatus::Active {
                user_id,
                is_superuser,
            } if user_id == claims.sub => Ok(UserSession {
                user_id,
                session_id: claims.sid,
                is_superuser,
            }),
            SessionStatus::Active { .. } => Err(rejected(Rejection::Invalid, Some(&claims))),
            SessionStatus::Revoked => Err(rejected(Rejection::Revoked, Some(&claims))),
        }
    }
}

impl Services {
    /// Marks a session as ended. While Redis is away this goes on in the background for as long
    /// as a process could find the session alive in what was filled before.
    async fn mark_revoked(&self, id: SessionId) {
        if let Err(error) = self.try_mark_revoked(id).await {
            self.0
                .throttle
                .emit(event::CacheUnavailable { error: &error });
            let services = self.clone();
            tokio::spawn(async move { services.retry_mark_revoked(id).await });
        }
    }

    /// Marks many sessions as ended, also if whoever asked for it goes away meanwhile.
    pub(super) async fn mark_all_revoked(&self, ids: Vec<SessionId>) {
        let services = self.clone();
        let buried = tokio::spawn(async move {
            join_all(ids.into_iter().map(|id| services.mark_revoked(id))).await;
        });
        // It only ends early with the process, and then nothing is cached here any more.
        let _ = buried.await;
    }

    /// The same for a process that ends when it is done: it waits for Redis as long as another
    /// process could find the session alive there.
    pub(super) async fn mark_revoked_in_foreground(&self, id: SessionId) {
        if self.try_mark_revoked(id).await.is_err() {
            self.retry_mark_revoked(id).await;
        }
    }

    async fn retry_mark_revoked(&self, id: SessionId) {
        let mut pause = tokio::time::interval(StdDuration::from_secs(1));
        for _ in 0..LIVENESS_LIFETIME.as_secs() {
            pause.tick().await;
            if self.try_mark_revoked(id).await.is_ok() {
                return;
            }
        }
    }

    async fn try_mark_revoked(&self, id: SessionId) -> Result<(), CacheError> {
        let (key, mark) = (liveness_key(id), encode(&SessionStatus::Revoked));
        self.0.cache.put(&key, &mark, TOMBSTONE_LIFETIME).await
    }

    async fn liveness(&self, id: SessionId) -> Result<SessionStatus, ServiceError> {
        let key = liveness_key(id);
        let cached = self.0.cache.get(&key).await;
        self.metrics().session_lookup(match &cached {
            Ok(Some(_)) => "hit",
            Ok(None) => "miss",
            Err(_) => "error",
        });
        if let Ok(Some(text)) = &cached
            && let Ok(liveness) = serde_json::from_str(text)
        {
            return Ok(liveness);
        }
        let now = self.now();
        let found = sessions::find_with_user(&self.0.db, id).await?;
        let Some((session, user)) =
            found.filter(|(session, user)| session.is_live(now) && user.is_active)
        else {
            return Ok(SessionStatus::Revoked);
        };
        if now - session.last_used_at >= Duration::seconds(60) {
            // A note that fails is no reason to turn the request away.
            if let Err(error) = sessions::touch(&self.0.db, id, now).await {
                self.0.throttle.emit(event::InternalError::new(&error));
            }
        }
        let alive = SessionStatus::Active {
            user_id: user.id,
            is_superuser: user.is_superuser,
        };
        match cached {
            // Never over a tombstone that was set since the database was asked.
            Ok(_) => {
                let (cache, alive) = (&self.0.cache, encode(&alive));
                let kept = cache.put_if_absent(&key, &alive, LIVENESS_LIFETIME);
                if let Err(error) = kept.await {
                    self.0
                        .throttle
                        .emit(event::CacheUnavailable { error: &error });
                }
            }
            Err(error) => self
                .0
                .throttle
                .emit(event::CacheUnavailable { error: &error }),
        }
        Ok(alive)
    }
}

fn liveness_key(id: SessionId) -> String {
    format!("session:{id}")
}

fn encode(liveness: &SessionStatus) -> String {
    serde_json::json!(liveness).to_string()
}
