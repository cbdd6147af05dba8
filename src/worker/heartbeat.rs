//! The sign of life of a worker, by which every process sees whether mail is sent.

use std::time::{Duration, Instant};

use crate::service::Services;
use crate::telemetry::event;

/// How often it is given.
const INTERVAL: Duration = Duration::from_secs(10);

/// Beats as long as somebody calls it: whoever sweeps, so that a sweeper that is stuck is missed.
pub(super) struct Heartbeat {
    services: Services,
    name: String,
    last: Option<Instant>,
}

impl Heartbeat {
    /// A heartbeat under a name that no other process has.
    pub(super) fn new(services: Services) -> Self {
        Self {
            name: services.new_request_id(),
            services,
            last: None,
        }
    }

    /// Gives the sign if it is time.
    pub(super) async fn beat(&mut self) {
        if self.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return;
        }
        match self.services.worker_is_alive(&self.name).await {
            Ok(()) => self.last = Some(Instant::now()),
            Err(error) => event::emit(event::WorkerHeartbeatFailed { error: &error }),
        }
    }
}
