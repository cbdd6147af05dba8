//! Sends the mails of the outbox: supervised apalis workers take jobs from the queue, and a sweeper
//! delivers all other due mails. Also deletes old data.

mod cleanup;
mod delivery;
mod supervisor;
mod sweeper;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::cleanup::clean_up_on_schedule;
use self::delivery::Delivery;
use self::supervisor::{restart, supervise};
use self::sweeper::Sweeper;
use crate::config::MailConfig;
use crate::mail::Mailer;
use crate::mail::templates::Templates;
use crate::queue::{Queue, Source};
use crate::service::Services;
use crate::telemetry::event;

/// How long mails in progress may take once the worker stops.
const FINISH_SENDS: Duration = Duration::from_secs(18);
/// How long acknowledging their jobs may then take.
const FINISH_JOBS: Duration = Duration::from_secs(2);
/// Jobs that one apalis worker on Redis handles at once; with more, its shutdown can block.
const JOBS_PER_WORKER: usize = 4;

/// Sends mail in the background.
pub struct Worker {
    queue: Queue,
    services: Services,
    templates: Arc<Templates>,
    mailer: Arc<Mailer>,
    config: MailConfig,
}

impl Worker {
    /// A worker that is not running yet.
    pub fn new(
        queue: Queue,
        services: Services,
        templates: Arc<Templates>,
        mailer: Arc<Mailer>,
        config: &MailConfig,
    ) -> Self {
        Self {
            queue,
            services,
            templates,
            mailer,
            config: config.clone(),
        }
    }

    /// Sends mails until `shutdown`, then waits for those being sent; returns within 20 s of it. A
    /// mail that takes longer is sent again when its lease ends.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self {
            queue,
            services,
            templates,
            mailer,
            config,
        } = self;
        let delivery = Arc::new(Delivery::new(
            queue.clone(),
            services.clone(),
            templates,
            mailer,
            &config,
            shutdown.clone(),
        ));
        let mut parts = JoinSet::new();
        for concurrency in shares(config.concurrency, &queue.source()) {
            let (queue, delivery, stop) = (queue.clone(), Arc::clone(&delivery), shutdown.clone());
            parts.spawn(restart(shutdown.clone(), move || {
                supervise(
                    queue.clone(),
                    Arc::clone(&delivery),
                    concurrency,
                    stop.clone(),
                )
            }));
        }
        let (cleaned, stop) = (services.clone(), shutdown.clone());
        parts.spawn(restart(shutdown.clone(), move || {
            clean_up_on_schedule(cleaned.clone(), stop.clone())
        }));
        let (swept, stop) = (Arc::clone(&delivery), shutdown.clone());
        parts.spawn(restart(shutdown.clone(), move || {
            Sweeper::new(queue.clone(), services.clone(), Arc::clone(&swept)).run(stop.clone())
        }));

        shutdown.cancelled().await;
        delivery.sends.close();
        if timeout(FINISH_SENDS, delivery.sends.wait()).await.is_err() {
            event::emit(event::WorkerStopped {
                reason: "some mails were still being sent",
            });
        }
        // What has not ended by then is dropped with the set.
        let ended = async { while parts.join_next().await.is_some() {} };
        let _ = timeout(FINISH_JOBS, ended).await;
    }
}

/// How many jobs each apalis worker handles at once. The queue in the process wakes one worker
/// only; on Redis there are at least two, so that mail does not stop when one of them fails.
fn shares(concurrency: usize, source: &Source) -> Vec<usize> {
    let workers = match source {
        Source::Memory(_) => 1,
        Source::Redis(_) => concurrency
            .div_ceil(JOBS_PER_WORKER)
            .max(2)
            .min(concurrency),
    };
    (0..workers)
        .map(|worker| (concurrency + worker) / workers)
        .collect()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[tokio::test]
    async fn the_queue_in_the_process_has_one_worker_with_every_place() {
        assert_eq!(shares(8, &Queue::memory().source()), [8]);
    }

    #[tokio::test]
    async fn workers_on_redis_share_the_places_and_none_has_more_than_its_shutdown_bears() {
        let queue = Queue::redis(&SecretString::from("redis://127.0.0.1:1/")).unwrap();
        assert_eq!(shares(1, &queue.source()), [1]);
        for concurrency in 2..=40 {
            let shares = shares(concurrency, &queue.source());
            assert_eq!(shares.iter().sum::<usize>(), concurrency);
            assert!(shares.len() >= 2);
            assert!(
                shares
                    .iter()
                    .all(|&share| (1..=JOBS_PER_WORKER).contains(&share))
            );
        }
    }
}
