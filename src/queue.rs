//! The queue: a bell that says which mail to look at, and nothing else. The outbox row is the
//! truth, so a lost bell costs delay and a doubled one a look.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{future::Future, pin::Pin};

use apalis_core::backend::dequeue::{VecDequeBackend, VecDequeError};
use apalis_core::backend::ext::BackendExt;
use apalis_core::backend::ext::poll_strategy::{PollSnapshot, PollStrategy, PollWith};
use apalis_core::backend::{TaskSink, TaskSinkError};
use apalis_redis::{Config, RedisStorage};
use moka::sync::Cache;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::domain::id::MailId;

/// How many bells may wait. apalis-redis 1.0.0 moves all of them in one Lua call and fails for
/// good from 8,000 on, so neither a request nor the sweeper rings a queue as long as this.
pub const WAITING_MAX: usize = 1_000;

/// Every key but apalis's own list of queues begins with this.
const REDIS_QUEUE: &str = "gatelodge:mail";
/// A worker that gave no sign of life for three of these is dead, and its bells ring again.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often a worker looks for bells that other processes rang.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// A fetch that was under way when a bell rang may miss it; so a worker looks twice.
const SECOND_LOOK: Duration = Duration::from_millis(10);
/// The default of 500 ms ends workers whenever Redis is busy.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request, or the sweeper, waits for Redis.
const PATIENCE: Duration = Duration::from_secs(1);
/// After a failure nobody but the sweeper asks Redis for this long, so that requests stay quick.
const REST: Duration = Duration::from_secs(2);
/// How long a bell that nobody answered here is taken to be still waiting.
const UNANSWERED_FOR: Duration = Duration::from_secs(30);
/// Finished jobs removed in one call; Lua unpacks at most 7,999.
const TRIM_STEP: usize = 1_000;

/// Removes up to `ARGV[1]` finished jobs of each set in `KEYS[1]` and `KEYS[2]` with their data
/// (`KEYS[3]`) and metadata (`KEYS[4]`), and lets what apalis keeps about each worker of `KEYS[5]`
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

/// What a job is: the id of a mail to look at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bell {
    mail: MailId,
    /// Its place in the queue of the process.
    #[serde(skip)]
    place: Option<Arc<OwnedSemaphorePermit>>,
}

/// The queue could not be asked. Nothing is lost: the sweeper finds the mail.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Redis failed, or cannot be reached.
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    /// Redis did not take the bell.
    #[error(transparent)]
    Push(#[from] TaskSinkError<apalis_redis::Error>),
    /// The queue of the process did not take the bell.
    #[error(transparent)]
    PushInProcess(#[from] TaskSinkError<VecDequeError>),
    /// Redis did not answer within a second.
    #[error("Redis did not answer in time")]
    NoAnswer,
    /// Redis failed a moment ago, and was not asked.
    #[error("Redis failed a moment ago")]
    Resting,
}

/// The queue of an installation. Clones share it.
#[derive(Clone)]
pub struct Queue {
    store: Store,
    unanswered: Cache<MailId, ()>,
}

#[derive(Clone)]
enum Store {
    Memory(MemoryStore),
    Redis(Arc<RedisStore>),
}

/// Where an apalis worker gets its jobs from.
pub enum Source {
    /// In the process. It wakes one worker only, so only one may have it.
    Memory(VecDequeBackend<Bell>),
    /// On Redis.
    Redis(Box<PollWith<RedisStorage<Bell>, Listener>>),
}

impl Queue {
    /// A queue in this process, for this process.
    pub fn memory() -> Self {
        Self::new(Store::Memory(MemoryStore {
            backend: VecDequeBackend::new(),
            places: Arc::new(Semaphore::new(WAITING_MAX)),
        }))
    }

    /// A queue on Redis. Redis may be down: it is connected to when it is needed. Must be called
    /// within a tokio runtime. Fails if `url` is no address of a Redis.
    pub fn redis(url: &SecretString) -> Result<Self, QueueError> {
        let client = redis::Client::open(url.expose_secret())?;
        let settings = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let connection = ConnectionManager::new_lazy_with_config(client, settings)?;
        let config = Config::default()
            .queue(REDIS_QUEUE)
            .batch_size(1)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(3)
            .emit_events(false);
        Ok(Self::new(Store::Redis(Arc::new(RedisStore {
            storage: RedisStorage::new(connection.clone()).with_config(config.clone()),
            connection,
            config,
            rung: Arc::new(Notify::new()),
            resting_until: Mutex::new(None),
        }))))
    }

    fn new(store: Store) -> Self {
        let unanswered = Cache::builder()
            .max_capacity(10 * WAITING_MAX as u64)
            .time_to_live(UNANSWERED_FOR)
            .build();
        Self { store, unanswered }
    }

    /// Asks for a look at a mail. While [`WAITING_MAX`] bells wait it does nothing: the sweeper
    /// asks again.
    pub async fn ring(&self, mail: MailId) -> Result<(), QueueError> {
        let rung = match &self.store {
            Store::Memory(store) => store.ring(mail).await?,
            Store::Redis(store) => store.ring(mail).await?,
        };
        if rung {
            self.unanswered.insert(mail, ());
        }
        Ok(())
    }

    /// How many bells wait to be answered.
    pub async fn waiting(&self) -> Result<usize, QueueError> {
        match &self.store {
            Store::Memory(store) => Ok(WAITING_MAX - store.places.available_permits()),
            Store::Redis(store) => store.asked(store.waiting()).await,
        }
    }

    /// Whether this process rang for the mail lately and has not answered it itself.
    pub fn is_unanswered(&self, mail: MailId) -> bool {
        self.unanswered.contains_key(&mail)
    }

    /// Takes a bell off the queue.
    pub fn answer(&self, bell: Bell) -> MailId {
        let Bell { mail, place } = bell;
        drop(place);
        self.unanswered.invalidate(&mail);
        mail
    }

    /// Removes up to a thousand finished jobs, which apalis keeps for ever, and says how many.
    pub async fn trim(&self) -> Result<usize, QueueError> {
        match &self.store {
            Store::Memory(_) => Ok(0),
            Store::Redis(store) => store.asked(store.trim()).await,
        }
    }

    /// What a new apalis worker reads from. Must be called within a tokio runtime.
    pub fn source(&self) -> Source {
        match &self.store {
            Store::Memory(store) => Source::Memory(store.backend.clone()),
            Store::Redis(store) => {
                let listener = Listener::new(Arc::clone(&store.rung));
                let source = store.storage.clone().poll_with_strategy(listener);
                Source::Redis(Box::new(source))
            }
        }
    }
}

#[derive(Clone)]
struct MemoryStore {
    backend: VecDequeBackend<Bell>,
    places: Arc<Semaphore>,
}

impl MemoryStore {
    async fn ring(&self, mail: MailId) -> Result<bool, QueueError> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Ok(false);
        };
        let bell = Bell {
            mail,
            place: Some(Arc::new(place)),
        };
        self.backend.clone().push(bell).await?;
        Ok(true)
    }
}

struct RedisStore {
    storage: RedisStorage<Bell>,
    connection: ConnectionManager,
    config: Config,
    rung: Arc<Notify>,
    resting_until: Mutex<Option<Instant>>,
}

impl RedisStore {
    async fn ring(&self, mail: MailId) -> Result<bool, QueueError> {
        if self.rest().is_some_and(|until| Instant::now() < until) {
            return Err(QueueError::Resting);
        }
        self.asked(async {
            if self.waiting().await? >= WAITING_MAX {
                return Ok(false);
            }
            self.storage
                .clone()
                .push(Bell { mail, place: None })
                .await?;
            self.rung.notify_waiters();
            Ok(true)
        })
        .await
    }

    /// apalis-redis puts every new job among the scheduled ones; the next fetch makes it active.
    async fn waiting(&self) -> Result<usize, QueueError> {
        let (active, scheduled): (usize, usize) = redis::pipe()
            .llen(self.config.active_jobs_list())
            .zcard(self.config.scheduled_jobs_set())
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(active + scheduled)
    }

    async fn trim(&self) -> Result<usize, QueueError> {
        let removed = redis::Script::new(TRIM)
            .key(self.config.done_jobs_set())
            .key(self.config.dead_jobs_set())
            .key(self.config.job_data_hash())
            .key(self.config.job_meta_hash())
            .key(self.config.workers_set())
            .key(format!("{REDIS_QUEUE}:workers:metadata"))
            .arg(TRIM_STEP)
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(removed)
    }

    /// Bounds a call, and remembers whether Redis is well.
    async fn asked<T>(
        &self,
        call: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        let answer = timeout(PATIENCE, call)
            .await
            .unwrap_or(Err(QueueError::NoAnswer));
        *self.rest() = answer.is_err().then(|| Instant::now() + REST);
        answer
    }

    fn rest(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.resting_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes a worker now and then, and at once when a bell rings in this process. (apalis's own
/// interval can forget to wake a worker.)
pub struct Listener {
    bell: Arc<Notify>,
    rung: Pin<Box<OwnedNotified>>,
    ticks: Interval,
}

impl Listener {
    fn new(bell: Arc<Notify>) -> Self {
        let mut ticks = interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            rung: Box::pin(Arc::clone(&bell).notified_owned()),
            bell,
            ticks,
        }
    }
}

/// apalis clones what a worker reads from.
impl Clone for Listener {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.bell))
    }
}

impl PollStrategy for Listener {
    /// Polls both until they are pending, so that each has the worker's waker when this returns.
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        let mut look = false;
        while self.rung.as_mut().poll(cx).is_ready() {
            self.rung = Box::pin(Arc::clone(&self.bell).notified_owned());
            self.ticks.reset_after(SECOND_LOOK);
            look = true;
        }
        while self.ticks.poll_tick(cx).is_ready() {
            look = true;
        }
        if look {
            Poll::Ready(Some(()))
        } else {
            Poll::Pending
        }
    }
}

#[cfg(test)]
mod tests;
