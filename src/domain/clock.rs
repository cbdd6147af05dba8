//! The only place that reads the system clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, SubsecRound, Utc};

/// UTC, in whole microseconds (the precision of PostgreSQL).
pub type Timestamp = DateTime<Utc>;

/// The system clock plus an offset that tests can move. Clones share the offset.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only reader of the system clock"
    )]
    pub fn now(&self) -> Timestamp {
        let offset = Duration::milliseconds(self.offset_ms.load(Ordering::Relaxed));
        (Utc::now() + offset).trunc_subsecs(6)
    }

    /// Moves this clock and all its clones forward.
    pub fn advance(&self, by: Duration) {
        self.offset_ms
            .fetch_add(by.num_milliseconds(), Ordering::Relaxed);
    }
}
