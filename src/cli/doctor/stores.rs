//! The database and Redis: connection, migrations, backlog and clocks.

use std::path::Path;

use chrono::TimeDelta;

use super::Finding;
use crate::cache::Cache;
use crate::config::Config;
use crate::db::{Db, heartbeats, outbox};
use crate::domain::clock::{Clock, Timestamp};
use crate::queue::{Queue, WAITING_MAX};
use crate::service::WORKER_AGE_MAX;
use crate::telemetry::with_sources;

const DATABASE: &str = "database";
const MIGRATIONS: &str = "migrations";
const OUTBOX: &str = "outbox";
const WORKER: &str = "worker";
const REDIS: &str = "redis";
const CLOCK: &str = "clock";

/// Codes are valid for minutes, so clocks may differ by little.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(2);
/// A mail that is due for so long needs attention.
const OVERDUE: TimeDelta = TimeDelta::minutes(5);
/// More overdue mails are not counted.
const OVERDUE_COUNT_MAX: u64 = 1000;

pub(super) async fn check_database(config: &Config) -> Vec<Finding> {
    let file = config.database.sqlite_file();
    if let Some(file) = file.filter(|file| !file.exists()) {
        // Connecting would create it.
        let found = format!(
            "SQLite: {} does not exist yet; the first start creates it",
            file.display()
        );
        return vec![Finding::ok(DATABASE, found)];
    }
    let db = match connect(config).await {
        Ok(db) => db,
        Err(error) => {
            let advice = "Check that it is running, and that DATABASE_URL has the right host, user and password.";
            return vec![Finding::failed(DATABASE, error, advice)];
        }
    };
    let mut findings = vec![version(&db, file).await, migrations(&db, config).await];
    // Without migrations the tables may be missing.
    if findings.iter().all(|finding| finding.advice.is_none()) {
        findings.push(worker(&db).await);
        findings.push(overdue_mails(&db).await);
    }
    if file.is_none() {
        findings.push(
            clock("the database", async || {
                db.now().await.map_err(|error| with_sources(&error))
            })
            .await,
        );
    }
    // Nothing was written that could be lost.
    let _ = db.close().await;
    findings
}

async fn connect(config: &Config) -> Result<Db, String> {
    Db::try_out(&config.database)
        .await
        .map_err(|error| with_sources(&error))?;
    Db::connect(&config.database)
        .await
        .map_err(|error| with_sources(&error))
}

async fn version(db: &Db, file: Option<&Path>) -> Finding {
    match (db.version().await, file) {
        (Ok(version), Some(file)) => {
            Finding::ok(DATABASE, format!("SQLite {version}: {}", file.display()))
        }
        (Ok(version), None) => Finding::ok(DATABASE, format!("PostgreSQL {version} answers")),
        (Err(error), _) => Finding::failed(
            DATABASE,
            with_sources(&error),
            "It accepted the login but no query: see the log of the database.",
        ),
    }
}

async fn migrations(db: &Db, config: &Config) -> Finding {
    let states = match db.migration_status().await {
        Ok(states) => states,
        Err(error) => {
            let advice = "If a newer version of Gatelodge migrated the database, run that version.";
            return Finding::failed(MIGRATIONS, with_sources(&error), advice);
        }
    };
    let pending = states.iter().filter(|state| !state.applied).count();
    let all = states.len();
    match pending {
        0 => Finding::ok(MIGRATIONS, format!("all {all} are applied")),
        _ if config.database.run_migrations => Finding::warning(
            MIGRATIONS,
            format!("{pending} of {all} are pending; the next start applies them"),
            "Start Gatelodge, or run `gatelodge migrate up`.",
        ),
        _ => Finding::failed(
            MIGRATIONS,
            format!("{pending} of {all} are pending, and RUN_MIGRATIONS is false"),
            "Run `gatelodge migrate up`.",
        ),
    }
}

async fn worker(db: &Db) -> Finding {
    let advice = "Start one with `gatelodge worker`, or with `gatelodge` without --no-worker.";
    match heartbeats::last(db).await {
        Ok(Some(seen)) => {
            let age = Clock::default().now() - seen;
            let found = format!("the last heartbeat was {} s ago", age.num_seconds());
            if age > WORKER_AGE_MAX {
                Finding::warning(WORKER, found, advice)
            } else {
                Finding::ok(WORKER, found)
            }
        }
        Ok(None) => Finding::warning(
            WORKER,
            "no worker has run for minutes: mail is not sent",
            advice,
        ),
        Err(error) => Finding::failed(
            WORKER,
            with_sources(&error),
            "See the findings about the database.",
        ),
    }
}

/// Overdue mails mean that no worker runs or none can send.
async fn overdue_mails(db: &Db) -> Finding {
    match outbox::due(db, Clock::default().now() - OVERDUE, OVERDUE_COUNT_MAX).await {
        Ok(mails) if mails.is_empty() => Finding::ok(OUTBOX, "no mail is overdue"),
        Ok(mails) => {
            let more = if mails.len() as u64 == OVERDUE_COUNT_MAX {
                " or more"
            } else {
                ""
            };
            Finding::failed(
                OUTBOX,
                format!(
                    "{}{more} mails are overdue by more than 5 minutes",
                    mails.len()
                ),
                "Start a worker (`gatelodge worker`, or `gatelodge` without --no-worker), or see \
                 the workers' logs for the reason.",
            )
        }
        Err(error) => Finding::failed(
            OUTBOX,
            with_sources(&error),
            "See the findings about the database.",
        ),
    }
}

pub(super) async fn check_redis(config: &Config) -> Vec<Finding> {
    let Some(url) = &config.redis.url else {
        let found = "REDIS_URL is not set: each process has its own queue, cache and limits";
        return vec![Finding::skipped(REDIS, found)];
    };
    let connected = Cache::redis(url).map_err(|error| with_sources(&error));
    let queue = Queue::redis(url).map_err(|error| with_sources(&error));
    let (cache, queue) = match (connected, queue) {
        (Ok(cache), Ok(queue)) => (cache, queue),
        (Err(error), _) | (_, Err(error)) => {
            return vec![Finding::failed(
                REDIS,
                error,
                "Set REDIS_URL to the URL of a Redis server.",
            )];
        }
    };
    let status = match queue.status().await {
        Ok(status) => status,
        Err(error) => {
            let advice = "Check that it is running, and that REDIS_URL has the right host and \
                          password. Nothing is lost meanwhile, but mail is delayed and limits \
                          count per process.";
            return vec![Finding::failed(REDIS, with_sources(&error), advice)];
        }
    };
    let found = format!("responds; {} jobs are waiting for workers", status.waiting);
    let queue = if status.is_stuck {
        let advice = "Workers receive no jobs, so mails are sent seconds later than usual. Allow \
                      the Redis user all commands on the keys `gatelodge:*` and `core:apalis:*`, \
                      and delete any key `core:apalis:queues:list` that another program made.";
        Finding::warning(
            REDIS,
            format!("{found}, but no worker receives them"),
            advice,
        )
    } else if status.waiting < WAITING_MAX {
        Finding::ok(REDIS, found)
    } else {
        Finding::warning(
            REDIS,
            found,
            "Start more workers, or see their logs for why they cannot send.",
        )
    };
    let clock = clock("Redis", async || {
        let now = cache.now().await.map_err(|error| with_sources(&error))?;
        now.ok_or_else(|| "Redis is not configured".to_owned())
    });
    vec![queue, clock.await]
}

/// Compares another clock with this one, at the middle of the request for its time.
async fn clock(whose: &str, read: impl AsyncFnOnce() -> Result<Timestamp, String>) -> Finding {
    let here = Clock::default();
    let before = here.now();
    let time = read().await;
    let middle = before + (here.now() - before) / 2;
    let difference = match time {
        Ok(theirs) => (theirs - middle).abs(),
        Err(error) => {
            let found = format!("the time of {whose} cannot be read: {error}");
            return Finding::failed(CLOCK, found, "See the findings about it above.");
        }
    };
    let found = format!(
        "{} ms apart from the clock of {whose}",
        difference.num_milliseconds()
    );
    if difference > CLOCK_TOLERANCE {
        let advice = "Synchronise both clocks with NTP: codes and tokens expire by them.";
        Finding::warning(CLOCK, found, advice)
    } else {
        Finding::ok(CLOCK, found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::FindingState;
    use super::*;

    #[tokio::test]
    async fn clocks_that_differ_are_warnings() {
        for (apart, state) in [
            (TimeDelta::zero(), FindingState::Ok),
            (TimeDelta::milliseconds(1500), FindingState::Ok),
            (TimeDelta::seconds(5), FindingState::Warning),
            (TimeDelta::hours(-1), FindingState::Warning),
        ] {
            let finding = clock("Redis", async || Ok(Clock::default().now() + apart)).await;
            assert_eq!(finding.state, state, "{finding:?}");
        }
        let silent = clock("Redis", async || Err("away".to_owned())).await;
        assert_eq!(silent.state, FindingState::Failed);
    }
}
