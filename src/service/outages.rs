//! Telling of a part that is away, without a line for every request meanwhile.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};

use chrono::Duration;

use super::Services;
use crate::domain::clock::Timestamp;
use crate::telemetry::{Event, Facts};

/// How long an event is not repeated.
const QUIET: Duration = Duration::seconds(10);

/// When each outage was last told of.
#[derive(Debug, Default)]
pub struct Outages(Mutex<HashMap<&'static str, Timestamp>>);

impl Services {
    /// Emits `event` unless it was emitted within the last ten seconds.
    pub(super) fn report_outage(&self, event: Event, error: Option<&(dyn Error + 'static)>) {
        let now = self.now();
        let Outages(told) = &self.0.outages;
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = told
            .get(event.name())
            .is_some_and(|last| now - *last < QUIET);
        if !recent {
            told.insert(event.name(), now);
            event.emit(Facts {
                error,
                ..Facts::default()
            });
        }
    }
}
