//! The queue: a job says which mail to deliver, and nothing else. The outbox row is the source of
//! truth and the sweeper delivers every due mail, so a lost job costs seconds and a duplicate one
//! costs a query.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use apalis_core::backend::dequeue::{VecDequeBackend, VecDequeError};
use apalis_core::backend::ext::BackendExt;
use apalis_core::backend::ext::poll_strategy::{PollSnapshot, PollStrategy, PollWith};
use apalis_core::backend::{TaskSink, TaskSinkError};
use apalis_redis::{Config, RedisStorage};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::domain::id::MailId;

/// Nothing is enqueued while so many jobs wait; the sweeper delivers those mails. apalis-redis
/// 1.0.0 moves all waiting jobs in one Lua call and fails permanently from 8,000 on.
pub const WAITING_MAX: usize = 1_000;

/// The prefix of every key except apalis's own list of queues.
const REDIS_QUEUE: &str = "gatelodge:mail";
/// Set while workers take no jobs although some wait.
const STUCK_KEY: &str = "gatelodge:mail:stuck";
/// How long [`STUCK_KEY`] lasts unless it is set again.
const STUCK_SECONDS: u64 = 30;
/// After three missed heartbeats a worker counts as dead, and its jobs run again.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often a worker polls for jobs from other processes.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// A fetch in progress can miss a job that is enqueued at the same time, so a worker polls twice.
const SECOND_POLL: Duration = Duration::from_millis(10);
/// apalis's default of 500 ms stops workers whenever Redis is busy.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request, or the sweeper, waits for Redis.
const REDIS_TIMEOUT: Duration = Duration::from_secs(1);
/// After a failure, requests do not try Redis for this long.
const CIRCUIT_OPEN_FOR: Duration = Duration::from_secs(2);
/// Finished jobs removed in one call; Lua unpacks at most 7,999.
const TRIM_STEP: usize = 1_000;

/// Removes up to `ARGV[1]` finished jobs of each set in `KEYS[1]` and `KEYS[2]` with their data
/// (`KEYS[3]`) and metadata (`KEYS[4]`), and makes apalis's records of each worker of `KEYS[5]`
/// (under `KEYS[6]`) expire a day after the worker was last seen.
const TRIM: &str = r"
local removed = 0
for i = 1, 2 do
    local ids = redis.call('SPOP', KEYS[i], ARGV[1])
    if #ids > 0 then
        redis.call('HDEL', KEYS[3], unpack(ids))
        for _, id in ipairs(ids) do
            redis.call('DEL', KEYS[4] .. ':' .. id)
        end
        removed = removed + #ids
    end
end
for _, worker in ipairs(redis.call('ZRANGE', KEYS[5], 0, 999)) do
    redis.call('EXPIRE', KEYS[6] .. ':' .. worker, 86400)
end
return removed
";

/// The id of a mail to deliver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    mail: MailId,
}

/// The queue failed. No mail is lost: the sweeper delivers it.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error(transparent)]
    Push(#[from] TaskSinkError<apalis_redis::Error>),
    #[error(transparent)]
    PushInProcess(#[from] TaskSinkError<VecDequeError>),
    #[error("Redis did not respond in time")]
    Timeout,
    #[error("Redis failed a moment ago")]
    CircuitOpen,
    #[error("jobs wait, but workers receive none; mails are delivered without the queue")]
    Stuck,
}

/// What the queue reports about itself.
#[derive(Clone, Copy, Debug)]
pub struct QueueStatus {
    /// How many jobs wait for a worker.
    pub waiting: usize,
    /// Whether a worker reported within the last 30 s that it receives no jobs.
    pub is_stuck: bool,
}

/// The queue of an installation. Clones share it.
#[derive(Clone)]
pub enum Queue {
    Memory(MemoryQueue),
    Redis(Arc<RedisQueue>),
}

/// Where an apalis worker gets its jobs from.
pub enum Source {
    /// In the process. It wakes one worker only, so only one may use it.
    Memory(VecDequeBackend<Job>),
    Redis(Box<PollWith<RedisStorage<Job>, Listener>>),
}

impl Queue {
    /// A queue within this process.
    pub fn memory() -> Self {
        Self::Memory(MemoryQueue {
            backend: VecDequeBackend::new(),
            waiting: Arc::default(),
        })
    }

    /// A queue on Redis, which is connected to on first use. Must be called within a tokio
    /// runtime. Fails if `url` is not a valid Redis URL.
    pub fn redis(url: &SecretString) -> Result<Self, QueueError> {
        let client = redis::Client::open(url.expose_secret())?;
        let settings = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(REDIS_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let connection = ConnectionManager::new_lazy_with_config(client, settings)?;
        let config = Config::default()
            .queue(REDIS_QUEUE)
            .batch_size(1)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(3)
            .emit_events(false);
        Ok(Self::Redis(Arc::new(RedisQueue {
            storage: RedisStorage::new(connection.clone()).with_config(config.clone()),
            connection,
            config,
            enqueued: Arc::new(Notify::new()),
            open_until: Mutex::new(None),
        })))
    }

    /// Wakes a worker to deliver a mail, unless [`WAITING_MAX`] jobs wait already.
    pub async fn enqueue(&self, mail: MailId) -> Result<(), QueueError> {
        match self {
            Self::Memory(queue) => queue.enqueue(Job { mail }).await,
            Self::Redis(queue) => queue.enqueue(Job { mail }).await,
        }
    }

    /// Tells the queue that a worker has taken a job.
    pub fn taken(&self, job: &Job) -> MailId {
        if let Self::Memory(queue) = self {
            queue.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        job.mail
    }

    pub async fn status(&self) -> Result<QueueStatus, QueueError> {
        match self {
            Self::Memory(queue) => Ok(QueueStatus {
                waiting: queue.waiting.load(Ordering::Relaxed),
                is_stuck: false,
            }),
            Self::Redis(queue) => queue.bounded(queue.status()).await,
        }
    }

    /// Reports to all processes that workers receive no jobs although some wait.
    pub async fn report_stuck(&self) -> Result<(), QueueError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(queue) => queue.bounded(queue.report_stuck()).await,
        }
    }

    /// Removes up to a thousand finished jobs, which apalis keeps forever.
    pub async fn trim(&self) -> Result<(), QueueError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(queue) => queue.bounded(queue.trim()).await,
        }
    }

    /// The source for a new apalis worker. Must be called within a tokio runtime.
    pub fn source(&self) -> Source {
        match self {
            Self::Memory(queue) => Source::Memory(queue.backend.clone()),
            Self::Redis(queue) => {
                let listener = Listener::new(Arc::clone(&queue.enqueued));
                let source = queue.storage.clone().poll_with_strategy(listener);
                Source::Redis(Box::new(source))
            }
        }
    }
}

#[derive(Clone)]
pub struct MemoryQueue {
    backend: VecDequeBackend<Job>,
    waiting: Arc<AtomicUsize>,
}

impl MemoryQueue {
    async fn enqueue(&self, job: Job) -> Result<(), QueueError> {
        let one_more = |waiting| (waiting < WAITING_MAX).then_some(waiting + 1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        if self.waiting.fetch_update(set, fetch, one_more).is_ok() {
            self.backend.clone().push(job).await?;
        }
        Ok(())
    }
}

pub struct RedisQueue {
    storage: RedisStorage<Job>,
    connection: ConnectionManager,
    config: Config,
    enqueued: Arc<Notify>,
    open_until: Mutex<Option<Instant>>,
}

impl RedisQueue {
    async fn enqueue(&self, job: Job) -> Result<(), QueueError> {
        if self.circuit().is_some_and(|until| Instant::now() < until) {
            return Err(QueueError::CircuitOpen);
        }
        self.bounded(async {
            if self.status().await?.waiting < WAITING_MAX {
                self.storage.clone().push(job).await?;
                self.enqueued.notify_waiters();
            }
            Ok(())
        })
        .await
    }

    /// apalis-redis puts every new job into the set of scheduled ones; the next fetch activates it.
    async fn status(&self) -> Result<QueueStatus, QueueError> {
        let (active, scheduled, is_stuck): (usize, usize, bool) = redis::pipe()
            .llen(self.config.active_jobs_list())
            .zcard(self.config.scheduled_jobs_set())
            .exists(STUCK_KEY)
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(QueueStatus {
            waiting: active + scheduled,
            is_stuck,
        })
    }

    async fn report_stuck(&self) -> Result<(), QueueError> {
        let set = redis::Cmd::set_ex(STUCK_KEY, 1, STUCK_SECONDS);
        Ok(set.query_async(&mut self.connection.clone()).await?)
    }

    async fn trim(&self) -> Result<(), QueueError> {
        let _removed: usize = redis::Script::new(TRIM)
            .key(self.config.done_jobs_set())
            .key(self.config.dead_jobs_set())
            .key(self.config.job_data_hash())
            .key(self.config.job_meta_hash())
            .key(self.config.workers_set())
            .key(format!("{REDIS_QUEUE}:workers:metadata"))
            .arg(TRIM_STEP)
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(())
    }

    /// Bounds a call by [`REDIS_TIMEOUT`], and opens the circuit if it fails.
    async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        let result = timeout(REDIS_TIMEOUT, call)
            .await
            .unwrap_or(Err(QueueError::Timeout));
        *self.circuit() = result.is_err().then(|| Instant::now() + CIRCUIT_OPEN_FOR);
        result
    }

    fn circuit(&self) -> MutexGuard<'_, Option<Instant>> {
        self.open_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes a worker at intervals, and immediately when this process enqueues a job. (apalis's own
/// interval can lose wake-ups.)
pub struct Listener {
    enqueued: Arc<Notify>,
    next: Pin<Box<OwnedNotified>>,
    ticks: Interval,
}

impl Listener {
    fn new(enqueued: Arc<Notify>) -> Self {
        let mut ticks = interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            next: Box::pin(Arc::clone(&enqueued).notified_owned()),
            enqueued,
            ticks,
        }
    }
}

/// apalis clones its sources.
impl Clone for Listener {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.enqueued))
    }
}

impl PollStrategy for Listener {
    /// Polls both until they are pending, so that each has the worker's waker when this returns.
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        let mut is_due = false;
        while self.next.as_mut().poll(cx).is_ready() {
            self.next = Box::pin(Arc::clone(&self.enqueued).notified_owned());
            self.ticks.reset_after(SECOND_POLL);
            is_due = true;
        }
        while self.ticks.poll_tick(cx).is_ready() {
            is_due = true;
        }
        if is_due {
            Poll::Ready(Some(()))
        } else {
            Poll::Pending
        }
    }
}

#[cfg(test)]
mod tests;
