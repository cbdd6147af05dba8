//! The database and Redis: whether they answer, are up to date, empty enough, and on time.

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

/// Clocks further apart than this are told. Codes live for minutes, tokens forgive no more.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(2);
/// A mail that nobody sends for so long after its time.
const OVERDUE: TimeDelta = TimeDelta::minutes(5);
/// As many overdue mails are counted.
const OVERDUE_MAX: u64 = 1000;

pub(super) async fn check_database(config: &Config) -> Vec<Finding> {
    let file = config.database.sqlite_file();
    if let Some(file) = file.filter(|file| !file.exists()) {
        // Looking must not make it.
        let found = format!(
            "SQLite: {} is not there yet; the first start makes it",
            file.display()
        );
        return vec![Finding::ok(DATABASE, found)];
    }
    let db = match connect(config).await {
        Ok(db) => db,
        Err(error) => {
            let advice = "See that it runs, and that DATABASE_URL names it, its user and password.";
            return vec![Finding::failed(DATABASE, error, advice)];
        }
    };
    let mut findings = vec![version(&db, file).await, migrations(&db, config).await];
    // Without its tables it has no mails.
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
    // Nothing was written that closing could lose.
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
            "It took the login and no query: its own log says why.",
        ),
    }
}

async fn migrations(db: &Db, config: &Config) -> Finding {
    let states = match db.migration_status().await {
        Ok(states) => states,
        Err(error) => {
            let advice = "If the database was migrated by a newer version, run that version.";
            return Finding::failed(MIGRATIONS, with_sources(&error), advice);
        }
    };
    let pending = states.iter().filter(|state| !state.applied).count();
    let all = states.len();
    match pending {
        0 => Finding::ok(MIGRATIONS, format!("all {all} are applied")),
        _ if config.database.run_migrations => Finding::warning(
            MIGRATIONS,
            format!("{pending} of {all} are missing; the next start applies them"),
            "Start Gatelodge, or run `gatelodge migrate up`.",
        ),
        _ => Finding::failed(
            MIGRATIONS,
            format!("{pending} of {all} are missing, and RUN_MIGRATIONS is false"),
            "Run `gatelodge migrate up`.",
        ),
    }
}

async fn worker(db: &Db) -> Finding {
    let advice = "Start one: `gatelodge worker`, or `gatelodge` without --no-worker.";
    match heartbeats::last(db).await {
        Ok(Some(seen)) => {
            let age = Clock::default().now() - seen;
            let found = format!("the last sign of life is {} s old", age.num_seconds());
            if age > WORKER_AGE_MAX {
                Finding::warning(WORKER, found, advice)
            } else {
                Finding::ok(WORKER, found)
            }
        }
        Ok(None) => Finding::warning(WORKER, "none was seen for minutes: mail waits", advice),
        Err(error) => Finding::failed(
            WORKER,
            with_sources(&error),
            "See what is said of the database.",
        ),
    }
}

/// Mails that wait too long say that no worker runs, whatever else seems well.
async fn overdue_mails(db: &Db) -> Finding {
    match outbox::due(db, Clock::default().now() - OVERDUE, OVERDUE_MAX).await {
        Ok(mails) if mails.is_empty() => Finding::ok(OUTBOX, "no mail is overdue"),
        Ok(mails) => {
            let more = if mails.len() as u64 == OVERDUE_MAX {
                " or more"
            } else {
                ""
            };
            Finding::failed(
                OUTBOX,
                format!(
                    "{}{more} mails are overdue by 5 minutes and longer",
                    mails.len()
                ),
                "Start a worker (`gatelodge worker`, or `gatelodge` without --no-worker), or see \
                 in the log of the workers why they cannot send.",
            )
        }
        Err(error) => Finding::failed(
            OUTBOX,
            with_sources(&error),
            "See what is said of the database.",
        ),
    }
}

pub(super) async fn check_redis(config: &Config) -> Vec<Finding> {
    let Some(url) = &config.redis_url else {
        let found = "REDIS_URL is not set: queue, cache and limits live in each process";
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
                "See that REDIS_URL names a Redis.",
            )];
        }
    };
    let status = match queue.status().await {
        Ok(status) => status,
        Err(error) => {
            let advice = "See that it runs and that REDIS_URL names it and its password. Until \
                          then nothing is lost, but mail is later and limits count per process.";
            return vec![Finding::failed(REDIS, with_sources(&error), advice)];
        }
    };
    let found = format!("responds; {} jobs wait for workers", status.waiting);
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
            "Start more workers, or see why they cannot send.",
        )
    };
    let clock = clock("Redis", async || {
        let now = cache.now().await.map_err(|error| with_sources(&error))?;
        now.ok_or_else(|| "there is no Redis".to_owned())
    });
    vec![queue, clock.await]
}

/// How far another clock is from this one, at the middle of asking for it.
async fn clock(whose: &str, ask: impl AsyncFnOnce() -> Result<Timestamp, String>) -> Finding {
    let here = Clock::default();
    let before = here.now();
    let asked = ask().await;
    let middle = before + (here.now() - before) / 2;
    let apart = match asked {
        Ok(theirs) => (theirs - middle).abs(),
        Err(error) => {
            let found = format!("{whose} does not tell the time: {error}");
            return Finding::failed(CLOCK, found, "See what is said of it above.");
        }
    };
    let found = format!("{} ms from that of {whose}", apart.num_milliseconds());
    if apart > CLOCK_TOLERANCE {
        let advice = "Have both machines set their clocks by NTP: codes and tokens live by them.";
        Finding::warning(CLOCK, found, advice)
    } else {
        Finding::ok(CLOCK, found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[tokio::test]
    async fn clocks_that_are_apart_are_told() {
        for (apart, state) in [
            (TimeDelta::zero(), State::Ok),
            (TimeDelta::milliseconds(1500), State::Ok),
            (TimeDelta::seconds(5), State::Warning),
            (TimeDelta::hours(-1), State::Warning),
        ] {
            let finding = clock("Redis", async || Ok(Clock::default().now() + apart)).await;
            assert_eq!(finding.state, state, "{finding:?}");
        }
        let silent = clock("Redis", async || Err("away".to_owned())).await;
        assert_eq!(silent.state, State::Failed);
    }
}
