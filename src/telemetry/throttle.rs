//! Warnings that could repeat with every request are logged every ten seconds at most.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::event::{Event, emit};

const WARN_INTERVAL: Duration = Duration::from_secs(10);

/// When each throttled event was last logged.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<&'static str, Instant>>);

impl Throttle {
    /// Logs an event unless one of its name was logged within the last ten seconds.
    pub fn emit<E: Event>(&self, event: E) {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = logged.get(E::INFO.name);
        if last.is_none_or(|last| last.elapsed() >= WARN_INTERVAL) {
            logged.insert(E::INFO.name, Instant::now());
            drop(logged);
            emit(event);
        }
    }
}
