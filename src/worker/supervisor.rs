//! Keeps the parts of the worker alive: any error of Redis ends an apalis worker for good, and a
//! panic any of them.

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
use crate::queue::{Bell, Queue, Source};
use crate::telemetry::event;

/// The wait before a worker is started again; it doubles while workers die young.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest wait.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A worker that lived this long did not die young.
const HEALTHY: Duration = Duration::from_secs(30);

/// Runs a part of the worker, and again if it ends before `shutdown`, be it by a panic.
pub(super) async fn revive<F: Future<Output = ()>>(
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

/// Runs a worker that handles `concurrency` bells at once, and another when it ends, until
/// `shutdown`; then lets it finish what it has taken.
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
        // Of the lines apalis makes of it, the last has the cause.
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

/// Two live workers of one name hide each other's orphaned jobs, so no name is used twice.
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
    let answer = move |bell: Bell| Arc::clone(&delivery).on_bell(bell);
    match queue.source() {
        Source::Memory(source) => Monitor::new().register(move |_| {
            WorkerBuilder::new(name.clone())
                .backend(source.clone())
                .concurrency(concurrency)
                .build(answer.clone())
        }),
        Source::Redis(source) => Monitor::new().register(move |_| {
            WorkerBuilder::new(name.clone())
                .backend(source.as_ref().clone())
                .concurrency(concurrency)
                .build(answer.clone())
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Whatever ends a part, it runs again, until it is told to end.
    #[tokio::test]
    async fn a_part_that_panics_or_ends_is_revived() {
        let (lives, shutdown) = (AtomicU32::new(0), CancellationToken::new());
        let part = || {
            // Before its first await, too.
            let life = lives.fetch_add(1, Ordering::Relaxed);
            let shutdown = shutdown.clone();
            assert_ne!(life, 0, "a panic that the test wants");
            async move {
                assert_ne!(life, 1, "another one");
                if life == 3 {
                    shutdown.cancel();
                }
            }
        };
        let revived = revive(shutdown.clone(), part);
        let ended = tokio::time::timeout(Duration::from_secs(20), revived).await;
        assert!(ended.is_ok());
        assert_eq!(lives.load(Ordering::Relaxed), 4);
    }
}
