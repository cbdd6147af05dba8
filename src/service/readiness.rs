//! Whether the parts of the installation can do their work, and the figures that tell how well.

use std::time::{Duration as StdDuration, Instant};

use chrono::Duration;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::{ServiceError, Services};
use crate::db::{DbError, heartbeats, outbox};
use crate::domain::clock::Timestamp;
use crate::queue::QueueStatus;
use crate::telemetry::event;
use crate::telemetry::metrics::{Gauges, Metrics};

/// How long the database may take to answer; whoever asks for readiness does not wait for long.
const PATIENCE: StdDuration = StdDuration::from_secs(2);
/// Without a sign of life of any worker for this long, mail waits: four heartbeats are missing.
pub const WORKER_AGE_MAX: Duration = Duration::seconds(45);
/// A mail that was due for this long and that nobody sends: sixty sweeps passed it over.
const OUTBOX_LAG_MAX: Duration = Duration::seconds(120);
/// How often each process asks whether the database is there.
const WATCH_INTERVAL: StdDuration = StdDuration::from_secs(5);
/// Processes not seen for this long are forgotten.
const FORGET_AFTER: Duration = Duration::minutes(10);

/// How well a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It does its work.
    Ok,
    /// It does not, and requests are answered all the same.
    Degraded,
    /// It cannot be reached.
    Failing,
    /// Nobody could tell, because the database could not be asked.
    Unknown,
}

/// How well each part is.
#[derive(Clone, Copy, Debug)]
pub struct Readiness {
    /// How long the database took to answer. `None` if it did not: then nothing can be done.
    pub database: Option<StdDuration>,
    /// Whether Redis answers, where it is used.
    pub redis: Option<bool>,
    /// The signs of life of workers and the wait of mails. `None` if the database could not say.
    pub mail: Option<MailReadiness>,
    /// The queue; `None` if it does not respond.
    pub queue: Option<QueueStatus>,
}

/// Whether mail is sent.
#[derive(Clone, Copy, Debug)]
pub struct MailReadiness {
    /// How long ago any worker was last seen; `None` if none ever was, or not for minutes.
    pub worker_age: Option<Duration>,
    /// How long the oldest due mail that nobody sends has waited.
    pub outbox_lag: Duration,
}

impl Readiness {
    /// The database: nothing can be done without it.
    pub fn database(&self) -> Condition {
        if self.database.is_some() {
            Condition::Ok
        } else {
            Condition::Failing
        }
    }

    /// Redis: without it each process goes on alone.
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

    /// Whether any process sends mail. Without one it waits in the outbox.
    pub fn worker(&self) -> Condition {
        self.of_mail(|mail| mail.worker_age.is_some_and(|age| age <= WORKER_AGE_MAX))
    }

    /// Whether mail is sent in time.
    pub fn outbox(&self) -> Condition {
        self.of_mail(|mail| mail.outbox_lag <= OUTBOX_LAG_MAX)
    }

    /// All of it in a word: failing without the database only, because a process without anything
    /// else still answers every request.
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
    /// How well each part is; known within about two seconds.
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

    /// The figures of this app.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// What is measured at this moment.
    pub async fn gauges(&self) -> Gauges {
        let readiness = self.readiness().await;
        let backlog = match readiness.database {
            Some(_) => {
                self.asked(outbox::backlog(&self.0.db, self.0.clock.database_now()))
                    .await
            }
            None => None,
        };
        let seconds = |time: Duration| time.to_std().unwrap_or_default();
        Gauges {
            database_up: readiness.database.is_some(),
            database_answer: readiness.database,
            database_connections: self.0.db.pool(),
            redis_up: readiness.redis,
            outbox: backlog.map(|backlog| {
                [
                    ("due", backlog.due),
                    ("waiting", backlog.waiting),
                    ("sending", backlog.sending),
                    ("dead", backlog.dead),
                ]
            }),
            outbox_lag: readiness.mail.map(|mail| seconds(mail.outbox_lag)),
            worker_age: readiness.mail.and_then(|mail| mail.worker_age).map(seconds),
            queue_waiting: readiness.queue.map(|queue| queue.waiting),
            password_hashes: self.0.hasher.load(),
        }
    }

    /// Notes that the worker of this name is alive.
    pub async fn worker_is_alive(&self, name: &str) -> Result<(), ServiceError> {
        let now = self.now();
        heartbeats::beat(&self.0.db, name, now).await?;
        Ok(heartbeats::delete_before(&self.0.db, now - FORGET_AFTER).await?)
    }

    /// Tells the log once when the database goes away, and once when it is back. Never ends.
    pub async fn watch_database(&self) {
        let mut since: Option<Timestamp> = None;
        loop {
            let answer = timeout(PATIENCE, self.compare_clocks()).await;
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

    /// Compares this machine's clock with that of PostgreSQL, which due mails are judged by. SQLite
    /// has no clock of its own.
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
        timeout(PATIENCE, answer).await.ok()?.ok()
    }
}
