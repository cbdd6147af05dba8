//! Time as an input: the one place that reads the system clock.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Duration, SubsecRound, Utc};

/// UTC, in whole microseconds like PostgreSQL.
pub type Timestamp = DateTime<Utc>;

/// The system clock plus an offset that tests can move. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<State>);

/// Durations are in milliseconds.
#[derive(Debug, Default)]
struct State {
    offset: AtomicI64,
    /// How wrong the system clock is, for tests.
    error: i64,
    database_ahead: AtomicI64,
    frozen_at: OnceLock<Timestamp>,
}

impl Clock {
    /// A clock of a machine whose system clock is wrong by `error`.
    pub fn wrong_by(error: Duration) -> Self {
        Self(Arc::new(State {
            error: error.num_milliseconds(),
            ..State::default()
        }))
    }

    pub fn now(&self) -> Timestamp {
        let frozen = self.0.frozen_at.get().copied();
        let now = frozen.unwrap_or_else(|| self.system());
        now + Duration::milliseconds(self.0.offset.load(Relaxed))
    }

    /// The time by the database's clock, which all processes share, as last compared.
    pub fn database_now(&self) -> Timestamp {
        self.now() + Duration::milliseconds(self.0.database_ahead.load(Relaxed))
    }

    /// Compares the system clock with the database's, which showed `time` just now.
    pub fn compare_with_database(&self, time: Timestamp) {
        let ahead = time - self.system();
        self.0
            .database_ahead
            .store(ahead.num_milliseconds(), Relaxed);
    }

    /// Moves this clock and all its clones forward.
    pub fn advance(&self, by: Duration) {
        self.0.offset.fetch_add(by.num_milliseconds(), Relaxed);
    }

    /// Stops this clock and all its clones at a whole second: from now on, only
    /// [`advance`](Self::advance) moves them.
    pub fn freeze(&self) {
        let _ = self.0.frozen_at.set(self.system().trunc_subsecs(0));
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one reader of the system clock"
    )]
    fn system(&self) -> Timestamp {
        (Utc::now() + Duration::milliseconds(self.0.error)).trunc_subsecs(6)
    }
}
