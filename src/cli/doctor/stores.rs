//! The database and Redis: connection, migrations, backlog and clocks.

use std::path::Path;

use chrono::TimeDelta;

use super::Finding;
use crate::cache::{Cache, CacheError};
use crate::config::Config;
use crate::db::{Db, DbError, heartbeats, outbox};
use crate::domain::clock::{Clock, Timestamp};
use crate::queue::{Queue, WAITING_MAX};
use crate::service::WORKER_AGE_MAX;

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
        let file = file.display();
        let found = format!("SQLite: {file} does not exist yet; the first start creates it");
        return vec![Finding::ok(DATABASE, found)];
    }
    let db = match connect(config).await {
        Ok(db) => db,
        Err(error) => {
            let advice = "Check that it is running, and that DATABASE_URL has the right host, \
                          user and password.";
            return vec![Finding::error(DATABASE, &error, advice)];
        }
    };
    let mut findings = vec![
        version(&db, file).await.unwrap_or_else(|error| {
            let advice = "It accepted the login but no query: see the log of the database.";
            Finding::error(DATABASE, &error, advice)
        }),
        migrations(&db, config).await.unwrap_or_else(|error| {
            let advice = "If a newer version of Gatelodge migrated the database, run that version.";
            Finding::error(MIGRATIONS, &error, advice)
        }),
    ];
    // Without migrations the tables may be missing.
    if findings.iter().all(|finding| finding.advice.is_none()) {
        let advice = "See the findings about the database.";
        let failed = |check| move |error| Finding::error(check, &error, advice);
        findings.push(worker(&db).await.unwrap_or_else(failed(WORKER)));
        findings.push(overdue_mails(&db).await.unwrap_or_else(failed(OUTBOX)));
    }
    if file.is_none() {
        findings.push(clock("the database", async || db.now().await).await);
    }
    // Nothing was written that could be lost.
    let _ = db.close().await;
    findings
}

async fn connect(config: &Config) -> Result<Db, DbError> {
    Db::try_out(&config.database).await?;
    Db::connect(&config.database).await
}

async fn version(db: &Db, file: Option<&Path>) -> Result<Finding, DbError> {
    let version = db.version().await?;
    let found = match file {
        Some(file) => format!("SQLite {version}: {}", file.display()),
        None => format!("PostgreSQL {version} answers"),
    };
    Ok(Finding::ok(DATABASE, found))
}

async fn migrations(db: &Db, config: &Config) -> Result<Finding, DbError> {
    let states = db.migration_status().await?;
    let pending = states.iter().filter(|state| !state.applied).count();
    let all = states.len();
    let finding = |found: String| Finding::ok(MIGRATIONS, found);
    Ok(match pending {
        0 => finding(format!("all {all} are applied")),
        _ if config.database.run_migrations => finding(format!(
            "{pending} of {all} are pending; the next start applies them"
        ))
        .warning("Start Gatelodge, or run `gatelodge migrate up`."),
        _ => finding(format!(
            "{pending} of {all} are pending, and RUN_MIGRATIONS is false"
        ))
        .failed("Run `gatelodge migrate up`."),
    })
}

async fn worker(db: &Db) -> Result<Finding, DbError> {
    let advice = "Start one with `gatelodge worker`, or with `gatelodge` without --no-worker.";
    let Some(seen) = heartbeats::last(db).await? else {
        let found = "no worker has run for minutes: mail is not sent";
        return Ok(Finding::ok(WORKER, found).warning(advice));
    };
    let age = Clock::default().now() - seen;
    let found = format!("the last heartbeat was {} s ago", age.num_seconds());
    Ok(Finding::ok(WORKER, found).warning_if(age > WORKER_AGE_MAX, advice))
}

/// Overdue mails mean that no worker runs or none can send.
async fn overdue_mails(db: &Db) -> Result<Finding, DbError> {
    let overdue = Clock::default().now() - OVERDUE;
    let mails = outbox::due(db, overdue, OVERDUE_COUNT_MAX).await?.len();
    if mails == 0 {
        return Ok(Finding::ok(OUTBOX, "no mail is overdue"));
    }
    let is_more = mails as u64 == OVERDUE_COUNT_MAX;
    let more = if is_more { " or more" } else { "" };
    let found = format!("{mails}{more} mails are overdue by more than 5 minutes");
    Ok(Finding::ok(OUTBOX, found).failed(
        "Start a worker (`gatelodge worker`, or `gatelodge` without --no-worker), or see the \
         workers' logs for the reason.",
    ))
}

pub(super) async fn check_redis(config: &Config) -> Vec<Finding> {
    let Some(url) = &config.redis.url else {
        let found = "REDIS_URL is not set: each process has its own queue, cache and limits";
        return vec![Finding::skipped(REDIS, found)];
    };
    let advice = "Set REDIS_URL to the URL of a Redis server.";
    let cache = Cache::redis(url).map_err(|error| Finding::error(REDIS, &error, advice));
    let queue = Queue::redis(url).map_err(|error| Finding::error(REDIS, &error, advice));
    let (cache, queue) = match (cache, queue) {
        (Ok(cache), Ok(queue)) => (cache, queue),
        (Err(finding), _) | (_, Err(finding)) => return vec![finding],
    };
    let status = match queue.status().await {
        Ok(status) => status,
        Err(error) => {
            let advice = "Check that it is running, and that REDIS_URL has the right host and \
                          password. Nothing is lost meanwhile, but mail is delayed and limits \
                          count per process.";
            return vec![Finding::error(REDIS, &error, advice)];
        }
    };
    let found = format!("responds; {} jobs are waiting for workers", status.waiting);
    let queue = if status.is_stuck {
        Finding::ok(REDIS, format!("{found}, but no worker receives them")).warning(
            "Workers receive no jobs, so mails are sent seconds later than usual. Allow the Redis \
             user all commands on the keys `gatelodge:*` and `core:apalis:*`, and delete any key \
             `core:apalis:queues:list` that another program made.",
        )
    } else {
        let advice = "Start more workers, or see their logs for why they cannot send.";
        Finding::ok(REDIS, found).warning_if(status.waiting >= WAITING_MAX, advice)
    };
    let clock = clock("Redis", async || {
        let now = cache.now().await?;
        Ok::<_, CacheError>(now.unwrap_or_default())
    });
    vec![queue, clock.await]
}

/// Compares another clock with this one, at the middle of the request for its time.
async fn clock<E: std::error::Error>(
    whose: &str,
    read: impl AsyncFnOnce() -> Result<Timestamp, E>,
) -> Finding {
    let here = Clock::default();
    let before = here.now();
    let time = read().await;
    let middle = before + (here.now() - before) / 2;
    let difference = match time {
        Ok(theirs) => (theirs - middle).abs(),
        Err(error) => {
            let found = format!("the time of {whose} cannot be read: {error}");
            return Finding::ok(CLOCK, found).failed("See the findings about it above.");
        }
    };
    let found = format!(
        "{} ms apart from the clock of {whose}",
        difference.num_milliseconds()
    );
    let advice = "Synchronise both clocks with NTP: codes and tokens expire by them.";
    Finding::ok(CLOCK, found).warning_if(difference > CLOCK_TOLERANCE, advice)
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
            let finding = clock("Redis", async || {
                Ok::<_, DbError>(Clock::default().now() + apart)
            })
            .await;
            assert_eq!(finding.state, state, "{finding:?}");
        }
        let silent = clock("Redis", async || Err(DbError::Timeout)).await;
        assert_eq!(silent.state, FindingState::Failed);
    }
}
