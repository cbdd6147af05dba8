//! Restarts the parts of the worker: an apalis worker ends at any error of Redis, and every part at
//! a panic.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apalis::layers::WorkerBuilderExt;
use apalis_core::monitor::{Monitor, MonitorError};
use apalis_core::task::task_id::RandomId;
use apalis_core::worker::builder::WorkerBuilder;
use futures::FutureExt;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::delivery::Delivery;
use crate::queue::{Job, Queue, Source};
use crate::telemetry::event;

/// The delay before a restart; it doubles while workers end soon after their start.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest delay.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A worker that ran for this long did not end soon.
const HEALTHY: Duration = Duration::from_secs(30);

/// Runs a part of the worker, and restarts it if it ends or panics before `shutdown`.
pub(super) async fn restart<F: Future<Output = ()>>(
    shutdown: CancellationToken,
    part: impl Fn() -> F,
) {
    loop {
        // The panic hook has logged it.
        let _ = AssertUnwindSafe(async { part().await })
            .catch_unwind()
            .await;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = sleep(PAUSE_MIN) => {}
        }
    }
}

/// Runs an apalis worker that handles `concurrency` jobs at once, and another one when it ends, until
/// `shutdown`. Then the worker finishes the jobs that it has taken.
pub(super) async fn supervise(
    queue: Queue,
    delivery: Arc<Delivery>,
    concurrency: usize,
    shutdown: CancellationToken,
) {
    let mut pause = PAUSE_MIN;
    let mut worker = new_name();
    event::emit(event::WorkerStarted { detail: &worker });
    loop {
        let started = Instant::now();
        let ended = run(&queue, &delivery, &worker, concurrency, &shutdown).await;
        if shutdown.is_cancelled() {
            return;
        }
        if started.elapsed() >= HEALTHY {
            pause = PAUSE_MIN;
        }
        worker = new_name();
        delivery.services.metrics().worker_restarted();
        // The last line of apalis's report is the cause.
        let report = ended.err().map(|error| error.to_string());
        let cause = report.as_deref().and_then(|report| report.lines().last());
        event::emit(event::WorkerRestarted {
            reason: cause.map(|line| line.trim_start_matches([' ', '-'])),
            detail: &worker,
        });
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Two live workers with the same name hide each other's orphaned jobs, so names are unique.
fn new_name() -> String {
    format!("mail-{}", RandomId::default())
}

/// Runs one worker to its end.
async fn run(
    queue: &Queue,
    delivery: &Arc<Delivery>,
    name: &str,
    concurrency: usize,
    shutdown: &CancellationToken,
) -> Result<(), MonitorError> {
    let monitor = register(queue, delivery, name.to_owned(), concurrency);
    let context = monitor.context();
    let running = monitor.run();
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended,
        () = shutdown.cancelled() => {}
    }
    context.shutdown()?;
    running.await
}

fn register(queue: &Queue, delivery: &Arc<Delivery>, name: String, concurrency: usize) -> Monitor {
    let delivery = Arc::clone(delivery);
    let handler = move |job: Job| Arc::clone(&delivery).on_job(job);
    match queue.source() {
        Source::Memory(source) => Monitor::new().register(move |_| {
            WorkerBuilder::new(name.clone())
                .backend(source.clone())
                .concurrency(concurrency)
                .build(handler.clone())
        }),
        Source::Redis(source) => Monitor::new().register(move |_| {
            WorkerBuilder::new(name.clone())
                .backend(source.as_ref().clone())
                .concurrency(concurrency)
                .build(handler.clone())
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_or_ends_is_restarted() {
        let (lives, shutdown) = (AtomicU32::new(0), CancellationToken::new());
        let part = || {
            // Before its first await, too.
            let life = lives.fetch_add(1, Ordering::Relaxed);
            let shutdown = shutdown.clone();
            assert_ne!(life, 0, "a panic on purpose");
            async move {
                assert_ne!(life, 1, "another one");
                if life == 3 {
                    shutdown.cancel();
                }
            }
        };
        restart(shutdown.clone(), part).await;
        assert_eq!(lives.load(Ordering::Relaxed), 4);
    }
}
