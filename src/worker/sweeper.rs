//! Rings again for every mail that is due and that nobody holds; delivers them itself while the
//! queue is away or stuck.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::{FutureExt, TryStreamExt, stream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::delivery::Delivery;
use super::heartbeat::Heartbeat;
use crate::domain::id::MailId;
use crate::queue::{Queue, QueueError, WAITING_MAX};
use crate::service::Services;
use crate::telemetry::event;

/// The time between two sweeps.
const INTERVAL: Duration = Duration::from_secs(2);
/// The time until the next, where there may be more to ring for or to deliver.
const BREATH: Duration = Duration::from_millis(50);
/// Mails delivered without the queue before it is asked again whether it is back.
const DIRECT_BATCH: u64 = 32;
/// While more is due than may wait, the queue is filled again once so few bells are left. Those
/// that another process rang are rung again then, so not many more than bridge a breath.
const LOW: usize = WAITING_MAX / 8;
/// Bells rung at once: one after another, each would wait for Redis twice.
const RINGS_AT_ONCE: usize = 16;

/// Sweeps in a loop. Any number of processes may do so at once: leases keep them apart.
pub(super) struct Sweeper {
    queue: Queue,
    services: Services,
    delivery: Arc<Delivery>,
    queue_is_away: bool,
    /// Whether there were more mails due than the queue may hold.
    has_more: bool,
}

impl Sweeper {
    pub(super) fn new(queue: Queue, services: Services, delivery: Arc<Delivery>) -> Self {
        Self {
            queue,
            services,
            delivery,
            queue_is_away: false,
            has_more: false,
        }
    }

    /// Sweeps at once and then every two seconds, or whenever the queue runs low, until `shutdown`.
    /// Sends it began go on.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let mut heartbeat = Heartbeat::new(self.services.clone());
        let sweeping = async {
            loop {
                heartbeat.beat().await;
                // The panic hook has logged it.
                let swept = AssertUnwindSafe(self.sweep()).catch_unwind().await;
                sleep(swept.unwrap_or(INTERVAL)).await;
            }
        };
        shutdown.run_until_cancelled(sweeping).await;
    }

    /// Sweeps once, and says when to sweep again.
    async fn sweep(&mut self) -> Duration {
        match self.ring_due().await {
            // As many bells as may wait, yet nothing is on its way: nobody answers them.
            Ok(waiting) if waiting >= WAITING_MAX && self.delivery.is_idle() => {
                self.deliver_due().await
            }
            Ok(_) => {
                if std::mem::take(&mut self.queue_is_away) {
                    event::emit(event::QueueAvailable {});
                }
                if self.has_more { BREATH } else { INTERVAL }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.queue_is_away, true) {
                    event::emit(event::QueueUnavailable { error: &error });
                }
                self.deliver_due().await
            }
        }
    }

    /// Rings for due mails, as many as the queue may hold, and says how many waited before.
    async fn ring_due(&mut self) -> Result<usize, QueueError> {
        let waiting = self.queue.waiting().await?;
        if self.has_more && waiting > LOW && !self.delivery.is_idle() {
            return Ok(waiting);
        }
        self.has_more = false;
        let room = WAITING_MAX.saturating_sub(waiting);
        if room > 0 {
            // An empty queue holds no bell, whatever this process remembers of ringing.
            let due = self.due(WAITING_MAX as u64).await;
            self.has_more = due.len() == WAITING_MAX;
            let silent = due
                .into_iter()
                .filter(|id| waiting == 0 || !self.queue.is_unanswered(*id));
            stream::iter(silent.take(room).map(Ok))
                .try_for_each_concurrent(RINGS_AT_ONCE, |id| self.queue.ring(id))
                .await?;
        }
        self.queue.trim().await?;
        Ok(waiting)
    }

    /// Delivers due mails without the queue; there may be more if it took as many as it may.
    async fn deliver_due(&self) -> Duration {
        let due = self.due(DIRECT_BATCH).await;
        join_all(due.iter().map(|id| self.delivery.deliver(*id))).await;
        if due.len() as u64 == DIRECT_BATCH {
            BREATH
        } else {
            INTERVAL
        }
    }

    async fn due(&self, limit: u64) -> Vec<MailId> {
        self.services
            .due_mails(limit)
            .await
            .inspect_err(|error| {
                event::emit(event::InternalError {
                    reason: Some("cannot read the outbox"),
                    ..event::InternalError::new(error)
                });
            })
            .unwrap_or_default()
    }
}
