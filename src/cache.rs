//! A cache in Redis, shared by all processes.
//!
//! Entries may disappear at any time. Every call returns within [`REDIS_TIMEOUT`], even if Redis
//! hangs. Without Redis nothing is cached: a cache in the process would not notice changes by another
//! process on the same database, such as `gatelodge user disable`.

use std::future::Future;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, ExistenceCheck, RedisResult, SetExpiry, SetOptions};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::clock::Timestamp;

const REDIS_TIMEOUT: Duration = Duration::from_millis(250);
const PREFIX: &str = "gatelodge:cache:";

#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("Redis failed")]
    Redis(#[from] redis::RedisError),
    #[error("Redis took too long")]
    TimedOut,
}

/// Clones share it.
#[derive(Clone, Debug)]
pub enum Cache {
    Redis(ConnectionManager),
    /// Caches nothing.
    None,
}

impl Cache {
    /// Connects to Redis on first use.
    pub fn redis(url: &SecretString) -> Result<Self, CacheError> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(REDIS_TIMEOUT))
            .set_response_timeout(Some(REDIS_TIMEOUT));
        let client = redis::Client::open(url.expose_secret())?;
        Ok(Self::Redis(ConnectionManager::new_lazy_with_config(
            client, config,
        )?))
    }

    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// The time on Redis's clock; `None` without Redis.
    pub async fn now(&self) -> Result<Option<Timestamp>, CacheError> {
        let Self::Redis(redis) = self else {
            return Ok(None);
        };
        let mut redis = redis.clone();
        let (seconds, micros): (i64, u32) =
            with_timeout(redis::cmd("TIME").query_async(&mut redis)).await?;
        Ok(Timestamp::from_timestamp(seconds, 1000 * micros))
    }

    pub async fn get(&self, key: &str) -> Result<Option<String>, CacheError> {
        match self {
            Self::Redis(redis) => with_timeout(redis.clone().get(prefixed(key))).await,
            Self::None => Ok(None),
        }
    }

    pub async fn put(&self, key: &str, value: &str, lifetime: Duration) -> Result<(), CacheError> {
        match self {
            Self::Redis(redis) => {
                with_timeout(
                    redis
                        .clone()
                        .set_ex(prefixed(key), value, lifetime.as_secs()),
                )
                .await
            }
            Self::None => Ok(()),
        }
    }

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
                // The answer is nil if the key exists.
                let _: Option<String> =
                    with_timeout(redis.set_options(prefixed(key), value, options)).await?;
            }
            Self::None => {}
        }
        Ok(())
    }
}

fn prefixed(key: &str) -> String {
    format!("{PREFIX}{key}")
}

async fn with_timeout<T>(call: impl Future<Output = RedisResult<T>>) -> Result<T, CacheError> {
    match tokio::time::timeout(REDIS_TIMEOUT, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CacheError::TimedOut),
    }
}
