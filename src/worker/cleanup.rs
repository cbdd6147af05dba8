//! Deletes old data, on a schedule that all processes share.

use std::panic::AssertUnwindSafe;
use std::time::Duration as StdDuration;

use chrono::Duration;
use futures::FutureExt;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::domain::clock::Timestamp;
use crate::service::{LeaseHolder, Services};
use crate::telemetry::event;

/// From the start of the process to its first clean-up, so that it does not slow down the start.
const FIRST_AFTER: Duration = Duration::seconds(5);
const RETRY_AFTER: Duration = Duration::minutes(5);
/// How often to check whether a clean-up is due.
const TICK: StdDuration = StdDuration::from_secs(1);

/// Cleans up whenever it is due, until `shutdown`. An interrupted clean-up leaves nothing half done.
pub(super) async fn clean_up_on_schedule(services: Services, shutdown: CancellationToken) {
    let holder = services.new_lease_holder();
    let mut next = services.now() + FIRST_AFTER;
    let working = async {
        loop {
            sleep(TICK).await;
            if services.now() >= next {
                next = services.now() + RETRY_AFTER;
                // The panic hook has logged it.
                let cleaned = AssertUnwindSafe(clean_up(&services, holder)).catch_unwind();
                if let Ok(Some(at)) = cleaned.await {
                    next = at;
                }
            }
        }
    };
    shutdown.run_until_cancelled(working).await;
}

/// When the next clean-up is due; `None` if this one failed.
async fn clean_up(services: &Services, holder: LeaseHolder) -> Option<Timestamp> {
    match services.clean_up(holder).await {
        Ok(done) => {
            if let Some(cleaned) = done.cleaned {
                event::emit(event::RetentionCleaned {
                    detail: &cleaned.to_string(),
                });
            }
            Some(done.next)
        }
        Err(error) => {
            event::emit(event::RetentionFailed { error: &error });
            None
        }
    }
}
