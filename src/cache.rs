//! Short-lived answers in Redis, shared by all processes.
//!
//! What is kept here may vanish at any time, so each reader must be able to do without. Every
//! call ends within [`PATIENCE`], also while Redis hangs.
//!
//! Without Redis nothing is kept. A cache in the process would not hear what another process on
//! the same database changes, such as `gatelodge user disable`, and asking a database on the same
//! machine costs little.

use std::future::Future;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, ExistenceCheck, RedisResult, SetExpiry, SetOptions};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::clock::Timestamp;

/// How long a caller waits for Redis before doing without.
const PATIENCE: Duration = Duration::from_millis(250);
const PREFIX: &str = "gatelodge:cache:";

/// Redis is away or too slow.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It answered with an error, or not at all.
    #[error("Redis failed")]
    Redis(#[from] redis::RedisError),
    /// It took longer than [`PATIENCE`].
    #[error("Redis took too long")]
    TimedOut,
}

/// A cache of small texts. Clones share it.
#[derive(Clone)]
pub enum Cache {
    /// Shared by all processes.
    Redis(ConnectionManager),
    /// Keeps nothing.
    None,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Redis(_) => "Cache::Redis",
            Self::None => "Cache::None",
        })
    }
}

impl Cache {
    /// A cache in Redis, which need not be there yet.
    pub fn redis(url: &SecretString) -> Result<Self, CacheError> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let client = redis::Client::open(url.expose_secret())?;
        Ok(Self::Redis(ConnectionManager::new_lazy_with_config(
            client, config,
        )?))
    }

    /// Whether there is a Redis that may be away.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// The time by Redis's clock. `None` without Redis.
    pub async fn now(&self) -> Result<Option<Timestamp>, CacheError> {
        let Self::Redis(redis) = self else {
            return Ok(None);
        };
        let mut redis = redis.clone();
        let (seconds, micros): (i64, u32) =
            patiently(redis::cmd("TIME").query_async(&mut redis)).await?;
        Ok(Timestamp::from_timestamp(seconds, 1000 * micros))
    }

    /// The text kept under `key`.
    pub async fn get(&self, key: &str) -> Result<Option<String>, CacheError> {
        match self {
            Self::Redis(redis) => patiently(redis.clone().get(prefixed(key))).await,
            Self::None => Ok(None),
        }
    }

    /// Keeps `value` under `key`, in place of what was there.
    pub async fn put(&self, key: &str, value: &str, lifetime: Duration) -> Result<(), CacheError> {
        match self {
            Self::Redis(redis) => {
                patiently(
                    redis
                        .clone()
                        .set_ex(prefixed(key), value, lifetime.as_secs()),
                )
                .await
            }
            Self::None => Ok(()),
        }
    }

    /// Keeps `value` under `key` unless something is there already.
    pub async fn put_if_absent(
        &self,
        key: &str,
        value: &str,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        match self {
            Self::Redis(redis) => {
                let options = SetOptions::default()
                    .conditional_set(ExistenceCheck::NX)
                    .with_expiration(SetExpiry::EX(lifetime.as_secs()));
                let mut redis = redis.clone();
                // Answers with nil where something was there.
                let _: Option<String> =
                    patiently(redis.set_options(prefixed(key), value, options)).await?;
            }
            Self::None => {}
        }
        Ok(())
    }
}

fn prefixed(key: &str) -> String {
    format!("{PREFIX}{key}")
}

async fn patiently<T>(call: impl Future<Output = RedisResult<T>>) -> Result<T, CacheError> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CacheError::TimedOut),
    }
}
