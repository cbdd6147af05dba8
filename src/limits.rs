//! The one limiter: how often something may be done by or to one subject.
//!
//! A window begins with the first hit and ends when its time is over; within it at most `max`
//! hits are let through. Counters live in Redis, shared by all processes, or in this one, and in
//! this one too while Redis is away: never unlimited.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as StdDuration;

use chrono::{DateTime, Duration};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::clock::Timestamp;

/// How long a caller waits for Redis before counting in the process.
const PATIENCE: StdDuration = StdDuration::from_millis(250);
/// Until this many counters are kept in the process, none is dropped.
const MEMORY_SWEEP_AT: usize = 10_000;
const PREFIX: &str = "gatelodge:limit:";

/// Counts a hit, or gives one back.
///
/// `KEYS[1]` the counter, `ARGV` now, window and maximum, in milliseconds and hits; a maximum of
/// -1 gives one back. Answers with 0, or the milliseconds until the window is over.
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

/// A rule: what is counted, and how often it may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in keys and logs.
    pub name: &'static str,
    /// Hits let through in one window.
    pub max: u32,
    /// How long a window is.
    pub window: Duration,
    /// The same in words, for logs.
    pub period: &'static str,
}

impl Rule {
    /// A rule with windows of an hour.
    pub const fn per_hour(name: &'static str, max: u32) -> Self {
        Self {
            name,
            max,
            window: Duration::hours(1),
            period: "1 hour",
        }
    }

    /// A rule with windows of 15 minutes.
    pub const fn per_15_minutes(name: &'static str, max: u32) -> Self {
        Self {
            name,
            max,
            window: Duration::minutes(15),
            period: "15 minutes",
        }
    }
}

/// The maximum of a rule is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which rule.
    pub rule: Rule,
    /// How long until its window is over.
    pub retry_after: Duration,
}

/// The address of Redis cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct LimiterError(#[from] redis::RedisError);

/// What came of a hit.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Whether it is let through.
    pub allowed: Result<(), Exceeded>,
    /// Whether Redis was away, so that only this process counted.
    pub degraded: bool,
}

/// Counts hits. Clones share the counters.
#[derive(Clone)]
pub struct Limiter {
    redis: Option<ConnectionManager>,
    memory: Arc<Mutex<Counters>>,
}

/// The counters of this process.
#[derive(Default)]
struct Counters {
    by_key: HashMap<String, Counter>,
    /// When there are this many, those whose window is over are dropped.
    sweep_at: usize,
}

#[derive(Clone, Copy)]
struct Counter {
    hits: u32,
    ends: Timestamp,
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.redis.is_some() {
            "Limiter::Redis"
        } else {
            "Limiter::Memory"
        })
    }
}

impl Limiter {
    /// A limiter in this process.
    pub fn memory() -> Self {
        Self {
            redis: None,
            memory: Arc::default(),
        }
    }

    /// A limiter in Redis, which need not be there yet.
    pub fn redis(url: &SecretString) -> Result<Self, LimiterError> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let client = redis::Client::open(url.expose_secret())?;
        let redis = ConnectionManager::new_lazy_with_config(client, config)?;
        Ok(Self {
            redis: Some(redis),
            memory: Arc::default(),
        })
    }

    /// Counts a hit of `subject` and says whether it is let through. One that is not is not
    /// counted. `subject` must not tell who it is about.
    pub async fn hit(&self, rule: Rule, subject: &str, now: Timestamp) -> Verdict {
        let key = key(rule, subject);
        let (wait, degraded) = match self.ask_redis(rule, &key, i64::from(rule.max), now).await {
            Some(Ok(wait)) => (Duration::milliseconds(wait), false),
            Some(Err(())) => (self.hit_memory(rule, key, now), true),
            None => (self.hit_memory(rule, key, now), false),
        };
        let allowed = if wait > Duration::zero() {
            Err(Exceeded {
                rule,
                retry_after: wait,
            })
        } else {
            Ok(())
        };
        Verdict { allowed, degraded }
    }

    /// Gives back a hit that turned out not to be one, such as a right code.
    pub async fn refund(&self, rule: Rule, subject: &str, now: Timestamp) {
        let key = key(rule, subject);
        if !matches!(self.ask_redis(rule, &key, -1, now).await, Some(Ok(_))) {
            let mut counters = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(counter) = counters.by_key.get_mut(&key) {
                counter.hits = counter.hits.saturating_sub(1);
            }
        }
    }

    /// `None` without Redis, an error if it is away.
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
        let answer = tokio::time::timeout(PATIENCE, call.invoke_async(&mut redis)).await;
        Some(match answer {
            Ok(Ok(wait)) => Ok(wait),
            Ok(Err(_)) | Err(_) => Err(()),
        })
    }

    /// How long to wait; zero if the hit was counted.
    fn hit_memory(&self, rule: Rule, key: String, now: Timestamp) -> Duration {
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
    async fn a_window_lets_its_maximum_through() {
        let (limiter, clock) = (Limiter::memory(), Clock::default());
        let begin = clock.now();
        let hit = async |at| limiter.hit(RULE, "ada", at).await.allowed;
        assert_eq!(hit(begin).await, Ok(()));
        assert_eq!(hit(begin + Duration::minutes(50)).await, Ok(()));
        let exceeded = Exceeded {
            rule: RULE,
            retry_after: Duration::minutes(10),
        };
        assert_eq!(hit(begin + Duration::minutes(50)).await, Err(exceeded));
        assert_eq!(limiter.hit(RULE, "grace", begin).await.allowed, Ok(()));
        assert_eq!(hit(begin + RULE.window).await, Ok(()));
    }

    #[tokio::test]
    async fn a_refunded_hit_can_be_used_again() {
        let (limiter, now) = (Limiter::memory(), Clock::default().now());
        for _ in 0..5 {
            assert!(limiter.hit(RULE, "ada", now).await.allowed.is_ok());
            limiter.refund(RULE, "ada", now).await;
        }
    }
}
