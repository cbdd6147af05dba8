//! Delivers every due mail that no worker has leased, whatever the queue does: mails whose job was
//! lost or never enqueued, and mails to be retried.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::delivery::Delivery;
use crate::queue::{Queue, QueueError};
use crate::service::Services;
use crate::telemetry::event;

/// The time between two sweeps, unless the last one left due mails.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often a worker reports that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// After so many sweeps in which jobs wait, none arrives and nothing is being sent, the queue is
/// stuck.
const STUCK_AFTER: u32 = 3;

/// Sweeps in a loop. Any number of processes may do so at once: leases keep them apart.
pub(super) struct Sweeper {
    queue: Queue,
    services: Services,
    delivery: Arc<Delivery>,
    name: String,
    last_heartbeat: Option<Instant>,
    queue_failed: bool,
    jobs: usize,
    idle_sweeps: u32,
}

impl Sweeper {
    pub(super) fn new(queue: Queue, services: Services, delivery: Arc<Delivery>) -> Self {
        Self {
            queue,
            name: services.new_request_id(),
            services,
            delivery,
            last_heartbeat: None,
            queue_failed: false,
            jobs: 0,
            idle_sweeps: 0,
        }
    }

    /// Sweeps immediately and then every two seconds until `shutdown`. Mails being sent continue.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let sweeping = async {
            loop {
                self.heartbeat().await;
                // The panic hook has logged it.
                let swept = AssertUnwindSafe(self.sweep()).catch_unwind().await;
                if !swept.unwrap_or(false) {
                    sleep(INTERVAL).await;
                }
            }
        };
        shutdown.run_until_cancelled(sweeping).await;
    }

    /// Part of the sweep, so that a sweeper that hangs counts as a dead worker.
    async fn heartbeat(&mut self) {
        if self
            .last_heartbeat
            .is_some_and(|last| last.elapsed() < HEARTBEAT)
        {
            return;
        }
        match self.services.worker_is_alive(&self.name).await {
            Ok(()) => self.last_heartbeat = Some(Instant::now()),
            Err(error) => event::emit(event::WorkerHeartbeatFailed { error: &error }),
        }
    }

    /// Whether there may be more due mails.
    async fn sweep(&mut self) -> bool {
        let checked = self.check_queue().await;
        self.report(checked);
        self.delivery.deliver_due().await
    }

    /// Removes finished jobs, and notices when workers receive none.
    async fn check_queue(&mut self) -> Result<(), QueueError> {
        self.queue.trim().await?;
        let waits = self.queue.status().await?.waiting > 0;
        let jobs = self.delivery.jobs();
        let none_arrived = std::mem::replace(&mut self.jobs, jobs) == jobs;
        self.idle_sweeps = if waits && none_arrived && self.delivery.is_idle() {
            self.idle_sweeps + 1
        } else {
            0
        };
        if self.idle_sweeps >= STUCK_AFTER {
            self.queue.report_stuck().await?;
            return Err(QueueError::Stuck);
        }
        Ok(())
    }

    /// Logs when the queue fails, and when it works again.
    fn report(&mut self, checked: Result<(), QueueError>) {
        let failed = checked.is_err();
        if failed == std::mem::replace(&mut self.queue_failed, failed) {
            return;
        }
        match checked {
            Ok(()) => event::emit(event::QueueAvailable {}),
            Err(error) => event::emit(event::QueueUnavailable { error: &error }),
        }
    }
}
