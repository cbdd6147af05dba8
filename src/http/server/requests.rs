//! The open requests of a connection, and the deadline that follows from them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::ConnectionsConfig;

/// The open requests of one connection.
pub(super) struct Requests {
    config: ConnectionsConfig,
    state: watch::Sender<State>,
}

struct State {
    /// When each open request began, by its number; `None` for those without a deadline.
    open: BTreeMap<u64, Option<Instant>>,
    /// How many requests there have been.
    count: u64,
    /// When the last request ended; before the first one, when the connection began.
    idle_since: Instant,
}

impl Requests {
    pub(super) fn new(config: ConnectionsConfig) -> Arc<Self> {
        let (state, _) = watch::channel(State {
            open: BTreeMap::new(),
            count: 0,
            idle_since: Instant::now(),
        });
        Arc::new(Self { config, state })
    }

    /// Adds a request, whose head has arrived. It is open until the returned value is dropped.
    pub(super) fn open(self: &Arc<Self>) -> OpenRequest {
        let mut number = 0;
        self.state.send_modify(|state| {
            state.count += 1;
            number = state.count;
            state.open.insert(number, Some(Instant::now()));
        });
        OpenRequest {
            requests: Arc::clone(self),
            number,
        }
    }

    /// Done when the first request is there.
    pub(super) async fn first(&self) {
        let mut state = self.state.subscribe();
        let _ = state.wait_for(|state| state.count > 0).await;
    }

    /// When the connection is to be closed if nothing happens until then.
    pub(super) fn deadline(&self) -> Instant {
        let state = self.state.borrow();
        let config = &self.config;
        if let Some(oldest) = state.open.values().flatten().min() {
            *oldest + self.whole_timeout()
        } else if !state.open.is_empty() {
            Instant::now() + config.idle_timeout
        } else if state.count == 0 {
            state.idle_since + config.header_timeout
        } else {
            state.idle_since + config.idle_timeout
        }
    }

    /// How far away any new deadline is at least.
    pub(super) fn shortest(&self) -> Duration {
        let others = self.whole_timeout().min(self.config.idle_timeout);
        self.config.header_timeout.min(others)
    }

    /// How long there has been no request; zero while one is open or the first is awaited.
    pub(super) fn idle_for(&self) -> Duration {
        let state = self.state.borrow();
        if state.open.is_empty() && state.count > 0 {
            state.idle_since.elapsed()
        } else {
            Duration::ZERO
        }
    }

    /// From a request's head to the end of its response.
    fn whole_timeout(&self) -> Duration {
        2 * self.config.request_timeout
    }
}

/// An open request.
pub(super) struct OpenRequest {
    requests: Arc<Requests>,
    number: u64,
}

impl OpenRequest {
    /// Lets the request take as long as it likes.
    pub(super) fn lift_deadline(&mut self) {
        let state = &self.requests.state;
        state.send_modify(|state| {
            state.open.insert(self.number, None);
        });
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.requests.state.send_modify(|state| {
            state.open.remove(&self.number);
            state.idle_since = Instant::now();
        });
    }
}
