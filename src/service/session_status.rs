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

/// How long a session counts as active without asking the database again, and how often
/// `last_used_at` is updated.
const ACTIVE_FOR: StdDuration = StdDuration::from_mins(1);
/// How long a tombstone is kept: longer than a cached entry, and much longer than a reader takes
/// between asking the database and filling the cache.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Rejection {
    /// Malformed, or signed with an unknown key.
    Invalid,
    Expired,
    /// Its session was revoked.
    Revoked,
}

/// A session in the cache.
#[derive(Serialize, Deserialize)]
enum SessionStatus {
    Active { user_id: UserId, is_superuser: bool },
    Revoked,
}

impl Caller {
    /// The user that an access token belongs to. Token, session and user must all be active.
    pub async fn authenticate(&self, token: &str) -> Result<UserSession, AuthenticationError> {
        let rejected = |rejection: Rejection, claims: Option<&AccessClaims>| {
            self.emit(event::TokenRejected {
                user_id: claims.map(|claims| claims.sub),
                session_id: claims.map(|claims| claims.sid),
                reason: rejection.into(),
            });
            Err(AuthenticationError::Rejected(rejection))
        };
        let claims = match self.0.access_tokens.read(token, self.now()) {
            Ok(claims) => claims,
            Err(AccessTokenError::Invalid) => return rejected(Rejection::Invalid, None),
            Err(AccessTokenError::Expired) => return rejected(Rejection::Expired, None),
        };
        match self.session_status(claims.sid).await? {
            SessionStatus::Active {
                user_id,
                is_superuser,
            } if user_id == claims.sub => Ok(UserSession {
                user_id,
                session_id: claims.sid,
                is_superuser,
            }),
            SessionStatus::Active { .. } => rejected(Rejection::Invalid, Some(&claims)),
            SessionStatus::Revoked => rejected(Rejection::Revoked, Some(&claims)),
        }
    }
}

impl Services {
    async fn session_status(&self, id: SessionId) -> Result<SessionStatus, ServiceError> {
        let key = key(id);
        let cached = self.0.cache.get(&key).await;
        self.metrics().session_lookup(match &cached {
            Ok(Some(_)) => "hit",
            Ok(None) => "miss",
            Err(_) => "error",
        });
        if let Ok(Some(text)) = &cached
            && let Ok(status) = serde_json::from_str(text)
        {
            return Ok(status);
        }
        let now = self.now();
        let found = sessions::find_with_user(&self.0.db, id).await?;
        let found = found.filter(|(session, user)| session.is_live(now) && user.is_active);
        let Some((session, user)) = found else {
            return Ok(SessionStatus::Revoked);
        };
        if now - session.last_used_at >= Duration::seconds(60)
            && let Err(error) = sessions::touch(&self.0.db, id, now).await
        {
            // No reason to refuse the request.
            self.0.throttle.emit(event::InternalError::new(&error));
        }
        let status = SessionStatus::Active {
            user_id: user.id,
            is_superuser: user.is_superuser,
        };
        let text = encode(&status);
        let filled = match cached {
            // Not over a tombstone that was set since the database was asked.
            Ok(_) => self.0.cache.put_if_absent(&key, &text, ACTIVE_FOR).await,
            Err(error) => Err(error),
        };
        self.report_cache(filled);
        Ok(status)
    }

    /// Marks sessions as revoked, even if the caller goes away in the meantime. While Redis is
    /// unavailable this is retried in the background.
    pub(super) async fn mark_all_revoked(&self, ids: Vec<SessionId>) {
        let services = self.clone();
        let marking = tokio::spawn(async move {
            join_all(ids.into_iter().map(|id| services.mark_revoked(id))).await;
        });
        // Fails only if the process ends, and then nothing is cached here any more.
        let _ = marking.await;
    }

    async fn mark_revoked(&self, id: SessionId) {
        let marked = self.try_mark_revoked(id).await;
        if marked.is_err() {
            let services = self.clone();
            tokio::spawn(async move { services.retry_mark_revoked(id).await });
        }
        self.report_cache(marked);
    }

    /// Like [`mark_all_revoked`](Self::mark_all_revoked) for a process that ends afterwards: waits
    /// for Redis.
    pub(super) async fn mark_revoked_in_foreground(&self, id: SessionId) {
        if self.try_mark_revoked(id).await.is_err() {
            self.retry_mark_revoked(id).await;
        }
    }

    /// Retries for as long as another process may have the session cached as active.
    async fn retry_mark_revoked(&self, id: SessionId) {
        let mut interval = tokio::time::interval(StdDuration::from_secs(1));
        for _ in 0..ACTIVE_FOR.as_secs() {
            interval.tick().await;
            if self.try_mark_revoked(id).await.is_ok() {
                return;
            }
        }
    }

    async fn try_mark_revoked(&self, id: SessionId) -> Result<(), CacheError> {
        let tombstone = encode(&SessionStatus::Revoked);
        let cache = &self.0.cache;
        cache.put(&key(id), &tombstone, TOMBSTONE_LIFETIME).await
    }

    /// Logs that the cache is unavailable.
    pub(super) fn report_cache(&self, result: Result<(), CacheError>) {
        if let Err(error) = result {
            let event = event::CacheUnavailable { error: &error };
            self.0.throttle.emit(event);
        }
    }
}

fn key(id: SessionId) -> String {
    format!("session:{id}")
}

fn encode(status: &SessionStatus) -> String {
    serde_json::json!(status).to_string()
}
