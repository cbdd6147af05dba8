//! Whether the database, Redis, the queue and the workers do their work, and the metrics of it.

use std::time::{Duration as StdDuration, Instant};

use chrono::Duration;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::{ServiceError, Services};
use crate::db::{DbError, heartbeats, outbox};
use crate::domain::clock::Timestamp;
use crate::queue::QueueStatus;
use crate::telemetry::event;
use crate::telemetry::metrics::{Gauge, Metrics};

/// The longest wait for an answer of the database.
const DATABASE_TIMEOUT: StdDuration = StdDuration::from_secs(2);
/// Workers count as gone when their last heartbeat is this old: four were missed.
pub const WORKER_AGE_MAX: Duration = Duration::seconds(45);
/// Mail counts as delayed when a due mail has waited this long: sixty sweeps have passed.
const OUTBOX_LAG_MAX: Duration = Duration::seconds(120);
/// The interval at which each process checks the database.
const WATCH_INTERVAL: StdDuration = StdDuration::from_secs(5);
/// Heartbeats older than this are deleted.
const FORGET_AFTER: Duration = Duration::minutes(10);

/// The condition of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    Ok,
    /// It does not work, but requests are answered.
    Degraded,
    /// It cannot be reached.
    Failing,
    /// The database, which knows it, cannot be reached.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
pub struct Readiness {
    /// The response time of the database; `None` if it does not respond.
    pub database: Option<StdDuration>,
    /// Whether Redis responds; `None` if it is not used.
    pub redis: Option<bool>,
    /// `None` if the database does not respond.
    pub mail: Option<MailReadiness>,
    /// The queue; `None` if it does not respond.
    pub queue: Option<QueueStatus>,
}

#[derive(Clone, Copy, Debug)]
pub struct MailReadiness {
    /// The age of the newest heartbeat of any worker; `None` if there has been none for minutes.
    pub worker_age: Option<Duration>,
    /// How long the oldest due mail that no worker sends has waited.
    pub outbox_lag: Duration,
}

impl Readiness {
    pub fn database(&self) -> Condition {
        if self.database.is_some() {
            Condition::Ok
        } else {
            Condition::Failing
        }
    }

    /// Without Redis each process works on its own.
    pub fn redis(&self) -> Condition {
        match self.redis {
            Some(false) => Condition::Failing,
            Some(true) | None => Condition::Ok,
        }
    }

    /// The queue: if workers receive no jobs, mails are only delivered by the sweeper.
    pub fn queue(&self) -> Condition {
        match self.queue {
            Some(queue) if queue.is_stuck => Condition::Degraded,
            Some(_) => Condition::Ok,
            None => Condition::Unknown,
        }
    }

    /// Without workers mail waits in the outbox.
    pub fn worker(&self) -> Condition {
        self.of_mail(|mail| mail.worker_age.is_some_and(|age| age <= WORKER_AGE_MAX))
    }

    pub fn outbox(&self) -> Condition {
        self.of_mail(|mail| mail.outbox_lag <= OUTBOX_LAG_MAX)
    }

    /// Only without the database is it failing: otherwise every request is answered.
    pub fn overall(&self) -> Condition {
        let others = [self.redis(), self.queue(), self.worker(), self.outbox()];
        match self.database() {
            Condition::Ok if others.iter().all(|part| *part == Condition::Ok) => Condition::Ok,
            Condition::Ok => Condition::Degraded,
            _ => Condition::Failing,
        }
    }

    fn of_mail(&self, is_well: impl FnOnce(&MailReadiness) -> bool) -> Condition {
        match &self.mail {
            Some(mail) if is_well(mail) => Condition::Ok,
            Some(_) => Condition::Degraded,
            None => Condition::Unknown,
        }
    }
}

impl Services {
    /// Takes at most about two seconds.
    pub async fn readiness(&self) -> Readiness {
        let (database, redis, queue) =
            futures::join!(self.ask_database(), self.ask_redis(), self.0.queue.status());
        let mail = match database {
            Some(_) => self.asked(self.ask_mail()).await,
            None => None,
        };
        Readiness {
            database,
            redis,
            mail,
            queue: queue.ok(),
        }
    }

    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// All metrics of this process as text.
    pub async fn metrics_text(&self) -> String {
        let readiness = self.readiness().await;
        let backlog = match readiness.database {
            Some(_) => {
                let backlog = outbox::backlog(&self.0.db, self.0.clock.database_now());
                self.asked(backlog).await
            }
            None => None,
        };
        let flag = |up: bool| f64::from(u8::from(up));
        let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let [open, idle, max] = self.0.db.pool().map(f64::from);
        let [running, waiting] = self.0.hasher.load().map(count);
        let mail = readiness.mail;
        let gauges = [
            (
                "database_up",
                "Whether the database responds",
                Some(flag(readiness.database.is_some())),
            ),
            (
                "database_answer_seconds",
                "Response time of the database, including the wait for a connection",
                readiness.database.map(|time| time.as_secs_f64()),
            ),
            ("database_connections", "Open connections", Some(open)),
            ("database_connections_idle", "Idle connections", Some(idle)),
            (
                "database_connections_max",
                "Maximum number of connections",
                Some(max),
            ),
            (
                "redis_up",
                "Whether Redis responds, if it is used",
                readiness.redis.map(flag),
            ),
            (
                "outbox_lag_seconds",
                "How long the oldest due mail that no worker sends has waited",
                mail.map(|mail| mail.outbox_lag.as_seconds_f64().max(0.0)),
            ),
            (
                "worker_age_seconds",
                "Age of the newest heartbeat of any worker",
                mail.and_then(|mail| mail.worker_age)
                    .map(Duration::as_seconds_f64),
            ),
            (
                "queue_waiting",
                "Jobs in the queue",
                readiness.queue.map(|queue| count(queue.waiting)),
            ),
            (
                "password_hashes_running",
                "Passwords being hashed",
                Some(running),
            ),
            (
                "password_hashes_waiting",
                "Passwords waiting to be hashed",
                Some(waiting),
            ),
        ];
        let gauges = gauges.map(|(name, help, value)| Gauge { name, help, value });
        let mails = backlog.map(|backlog| {
            [
                ("due", backlog.due),
                ("waiting", backlog.waiting),
                ("sending", backlog.sending),
                ("dead", backlog.dead),
            ]
        });
        self.metrics().text(&gauges, mails)
    }

    /// Records the heartbeat of a worker.
    pub async fn worker_is_alive(&self, name: &str) -> Result<(), ServiceError> {
        let now = self.now();
        heartbeats::beat(&self.0.db, name, now).await?;
        Ok(heartbeats::delete_before(&self.0.db, now - FORGET_AFTER).await?)
    }

    /// Logs when the database becomes unavailable and available again. Never returns.
    pub async fn watch_database(&self) {
        let mut since: Option<Timestamp> = None;
        loop {
            let answer = timeout(DATABASE_TIMEOUT, self.compare_clocks()).await;
            let problem = match answer {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error),
                Err(_) => Some(DbError::Timeout),
            };
            match (problem, since) {
                (Some(error), None) => {
                    since = Some(self.now());
                    event::emit(event::DatabaseUnavailable { error: &error });
                }
                (None, Some(begin)) => {
                    since = None;
                    let away = format!("away for {} s", (self.now() - begin).num_seconds());
                    event::emit(event::DatabaseAvailable { detail: &away });
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
            sleep(WATCH_INTERVAL).await;
        }
    }

    /// Compares this machine's clock with that of PostgreSQL, by which mails become due. SQLite has
    /// no clock of its own.
    pub async fn compare_clocks(&self) -> Result<(), DbError> {
        if self.0.db.is_sqlite() {
            return self.0.db.ping().await;
        }
        let time = self.0.db.now().await?;
        self.0.clock.compare_with_database(time);
        Ok(())
    }

    async fn ask_database(&self) -> Option<StdDuration> {
        let asked = Instant::now();
        self.asked(self.0.db.ping()).await?;
        Some(asked.elapsed())
    }

    async fn ask_redis(&self) -> Option<bool> {
        let answer = self.0.cache.get("readiness").await;
        self.0.cache.is_shared().then_some(answer.is_ok())
    }

    async fn ask_mail(&self) -> Result<MailReadiness, DbError> {
        let now = self.now();
        let seen = heartbeats::last(&self.0.db).await?;
        let due_now = self.0.clock.database_now();
        let due = outbox::oldest_due(&self.0.db, due_now).await?;
        Ok(MailReadiness {
            // The clocks of two machines may differ.
            worker_age: seen.map(|then| (now - then).max(Duration::zero())),
            outbox_lag: due.map_or(Duration::zero(), |then| due_now - then),
        })
    }

    async fn asked<T>(&self, answer: impl Future<Output = Result<T, DbError>>) -> Option<T> {
        timeout(DATABASE_TIMEOUT, answer).await.ok()?.ok()
    }
}
