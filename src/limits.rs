//! Rate limits.
//!
//! A window begins with the first request; at most `max` requests are allowed in it. Counters are in
//! Redis, shared by all processes, or in this process. While Redis is unavailable they are also in
//! this process, so requests are never unlimited.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as StdDuration;

use chrono::{DateTime, Duration};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::clock::Timestamp;

/// After this time without an answer the process counts by itself.
const REDIS_TIMEOUT: StdDuration = StdDuration::from_millis(250);
/// Expired counters of the process are removed when there are this many.
const MEMORY_SWEEP_AT: usize = 10_000;
const PREFIX: &str = "gatelodge:limit:";

/// Acquires one request, or releases one if the maximum is -1.
///
/// `KEYS[1]` is the counter; `ARGV` is now and the window, in milliseconds, and the maximum. Returns
/// 0, or the milliseconds until the window ends.
const SCRIPT: &str = r"
local now, window, max = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local counter = redis.call('HMGET', KEYS[1], 'hits', 'ends')
local hits, ends = tonumber(counter[1]), tonumber(counter[2])
if max < 0 then
  if hits and hits > 0 then redis.call('HINCRBY', KEYS[1], 'hits', -1) end
  return 0
end
if not ends or ends <= now then hits, ends = 0, now + window end
if hits >= max then return ends - now end
redis.call('HSET', KEYS[1], 'hits', hits + 1, 'ends', ends)
redis.call('PEXPIRE', KEYS[1], window)
return 0
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name in keys and logs.
    pub name: &'static str,
    /// Requests allowed in one window.
    pub max: u32,
    pub window: Duration,
    /// The window in words, for logs.
    pub period: &'static str,
}

impl Rule {
    pub const fn per_hour(name: &'static str, max: u32) -> Self {
        Self {
            name,
            max,
            window: Duration::hours(1),
            period: "1 hour",
        }
    }

    pub const fn per_15_minutes(name: &'static str, max: u32) -> Self {
        Self {
            name,
            max,
            window: Duration::minutes(15),
            period: "15 minutes",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The time until the window ends.
    pub retry_after: Duration,
}

/// The URL of Redis is not usable.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct LimiterError(#[from] redis::RedisError);

#[derive(Clone, Copy, Debug)]
pub struct Decision {
    pub allowed: Result<(), Exceeded>,
    /// Whether Redis was unavailable, so that only this process counted.
    pub degraded: bool,
}

/// Clones share the counters.
#[derive(Clone, Debug)]
pub struct Limiter {
    redis: Option<ConnectionManager>,
    memory: Arc<Mutex<Counters>>,
}

/// The counters of this process.
#[derive(Debug, Default)]
struct Counters {
    by_key: HashMap<String, Counter>,
    /// Expired counters are removed when there are this many.
    sweep_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    hits: u32,
    ends: Timestamp,
}

impl Limiter {
    pub fn memory() -> Self {
        Self {
            redis: None,
            memory: Arc::default(),
        }
    }

    /// Connects to Redis on first use.
    pub fn redis(url: &SecretString) -> Result<Self, LimiterError> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(REDIS_TIMEOUT))
            .set_response_timeout(Some(REDIS_TIMEOUT));
        let client = redis::Client::open(url.expose_secret())?;
        let redis = ConnectionManager::new_lazy_with_config(client, config)?;
        Ok(Self {
            redis: Some(redis),
            memory: Arc::default(),
        })
    }

    /// Counts a request, unless it is refused. `subject` must not identify a person.
    pub async fn acquire(&self, rule: Rule, subject: &str, now: Timestamp) -> Decision {
        let key = key(rule, subject);
        let (wait, degraded) = match self.ask_redis(rule, &key, i64::from(rule.max), now).await {
            Some(Ok(wait)) => (Duration::milliseconds(wait), false),
            Some(Err(())) => (self.acquire_in_memory(rule, key, now), true),
            None => (self.acquire_in_memory(rule, key, now), false),
        };
        let allowed = if wait > Duration::zero() {
            Err(Exceeded { retry_after: wait })
        } else {
            Ok(())
        };
        Decision { allowed, degraded }
    }

    /// Uncounts a request, for example after a correct code.
    pub async fn release(&self, rule: Rule, subject: &str, now: Timestamp) {
        let key = key(rule, subject);
        if !matches!(self.ask_redis(rule, &key, -1, now).await, Some(Ok(_))) {
            let mut counters = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(counter) = counters.by_key.get_mut(&key) {
                counter.hits = counter.hits.saturating_sub(1);
            }
        }
    }

    /// `None` without Redis, an error if it is unavailable.
    async fn ask_redis(
        &self,
        rule: Rule,
        key: &str,
        max: i64,
        now: Timestamp,
    ) -> Option<Result<i64, ()>> {
        let mut redis = self.redis.clone()?;
        let script = redis::Script::new(SCRIPT);
        let mut call = script.key(format!("{PREFIX}{key}"));
        call.arg(now.timestamp_millis())
            .arg(rule.window.num_milliseconds())
            .arg(max);
        let answer = tokio::time::timeout(REDIS_TIMEOUT, call.invoke_async(&mut redis)).await;
        Some(match answer {
            Ok(Ok(wait)) => Ok(wait),
            Ok(Err(_)) | Err(_) => Err(()),
        })
    }

    /// How long to wait; zero if the request was counted.
    fn acquire_in_memory(&self, rule: Rule, key: String, now: Timestamp) -> Duration {
        let mut counters = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.by_key.len() >= counters.sweep_at.max(MEMORY_SWEEP_AT) {
            counters.by_key.retain(|_, counter| counter.ends > now);
            counters.sweep_at = 2 * counters.by_key.len();
        }
        let counter = counters.by_key.entry(key).or_insert(Counter {
            hits: 0,
            ends: DateTime::UNIX_EPOCH,
        });
        if counter.ends <= now {
            *counter = Counter {
                hits: 0,
                ends: now + rule.window,
            };
        }
        if counter.hits >= rule.max {
            return counter.ends - now;
        }
        counter.hits += 1;
        Duration::zero()
    }
}

fn key(rule: Rule, subject: &str) -> String {
    format!("{}:{subject}", rule.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Clock;

    const RULE: Rule = Rule::per_hour("test", 2);

    #[tokio::test]
    async fn a_window_allows_its_maximum() {
        let (limiter, clock) = (Limiter::memory(), Clock::default());
        let begin = clock.now();
        let acquire = async |at| limiter.acquire(RULE, "ada", at).await.allowed;
        assert_eq!(acquire(begin).await, Ok(()));
        assert_eq!(acquire(begin + Duration::minutes(50)).await, Ok(()));
        let exceeded = Exceeded {
            retry_after: Duration::minutes(10),
        };
        assert_eq!(acquire(begin + Duration::minutes(50)).await, Err(exceeded));
        assert_eq!(limiter.acquire(RULE, "grace", begin).await.allowed, Ok(()));
        assert_eq!(acquire(begin + RULE.window).await, Ok(()));
    }

    #[tokio::test]
    async fn a_released_request_can_be_used_again() {
        let (limiter, now) = (Limiter::memory(), Clock::default().now());
        for _ in 0..5 {
            assert!(limiter.acquire(RULE, "ada", now).await.allowed.is_ok());
            limiter.release(RULE, "ada", now).await;
        }
    }
}
