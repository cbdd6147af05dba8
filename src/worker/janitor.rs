//! Deletes what is over, on a schedule that all processes share.

use std::panic::AssertUnwindSafe;
use std::time::Duration as StdDuration;

use chrono::Duration;
use futures::FutureExt;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::domain::clock::Timestamp;
use crate::service::{LeaseHolder, Services};
use crate::telemetry::event;

/// The time from the start of the process to its first clean-up: a start has enough to do.
const FIRST: Duration = Duration::seconds(5);
/// The time until a clean-up that failed is tried again.
const AGAIN: Duration = Duration::minutes(5);
/// How often the clock is looked at.
const TICK: StdDuration = StdDuration::from_secs(1);

/// Cleans up whenever it is this process's turn.
pub(super) struct Janitor {
    services: Services,
    holder: LeaseHolder,
    next: Timestamp,
}

impl Janitor {
    pub(super) fn new(services: Services) -> Self {
        Self {
            holder: services.new_lease_holder(),
            next: services.now() + FIRST,
            services,
        }
    }

    /// Looks at the clock until `shutdown`. A clean-up that is cut short leaves nothing half done.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let working = async {
            loop {
                sleep(TICK).await;
                if self.services.now() >= self.next {
                    self.next = self.services.now() + AGAIN;
                    // The panic hook has logged it.
                    let _ = AssertUnwindSafe(self.clean_up()).catch_unwind().await;
                }
            }
        };
        shutdown.run_until_cancelled(working).await;
    }

    async fn clean_up(&mut self) {
        match self.services.clean_up(self.holder).await {
            Ok(done) => {
                self.next = done.next;
                if let Some(cleaned) = done.cleaned {
                    event::emit(event::RetentionCleaned {
                        detail: &cleaned.to_string(),
                    });
                }
            }
            Err(error) => event::emit(event::RetentionFailed { error: &error }),
        }
    }
}
