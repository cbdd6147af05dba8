//! The open requests of one connection, and until when it may go on as it is.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::ConnectionsConfig;

/// The open requests of one connection.
pub(super) struct Requests {
    /// Until the first request has come.
    header_timeout: Duration,
    /// From a whole head to the end of the answer.
    whole_timeout: Duration,
    /// Between two requests.
    idle_timeout: Duration,
    state: Mutex<State>,
    /// Rings when the first request has come.
    first: Notify,
}

struct State {
    /// When each open request began, with its number.
    open: BTreeSet<(Instant, u64)>,
    /// How many there were.
    count: u64,
    /// When the last one ended; at first, when the connection began.
    idle_since: Instant,
}

impl Requests {
    pub(super) fn new(config: &ConnectionsConfig) -> Self {
        Self {
            header_timeout: config.header_timeout,
            whole_timeout: 2 * config.request_timeout,
            idle_timeout: config.idle_timeout,
            state: Mutex::new(State {
                open: BTreeSet::new(),
                count: 0,
                idle_since: Instant::now(),
            }),
            first: Notify::new(),
        }
    }

    /// A request whose head has arrived; it is open until what is given here is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        let mut state = self.state();
        state.count += 1;
        if state.count == 1 {
            self.first.notify_one();
        }
        let request = (Instant::now(), state.count);
        state.open.insert(request);
        Open {
            requests: Arc::clone(self),
            request,
        }
    }

    /// Done when the first request has come. For one caller.
    pub(super) async fn first(&self) {
        if self.state().count == 0 {
            self.first.notified().await;
        }
    }

    /// When the connection is to end, if nothing happens before.
    pub(super) fn deadline(&self) -> Instant {
        let state = self.state();
        match state.open.first() {
            Some((begun, _)) => *begun + self.whole_timeout,
            None if state.count == 0 => state.idle_since + self.header_timeout,
            None => state.idle_since + self.idle_timeout,
        }
    }

    /// No deadline is less than this from what it begins with.
    pub(super) fn shortest(&self) -> Duration {
        let others = self.whole_timeout.min(self.idle_timeout);
        self.header_timeout.min(others)
    }

    /// How long there has been no request; zero while one is open or the first is awaited.
    pub(super) fn idle_for(&self) -> Duration {
        let state = self.state();
        if state.open.is_empty() && state.count > 0 {
            state.idle_since.elapsed()
        } else {
            Duration::ZERO
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open request.
pub(super) struct Open {
    requests: Arc<Requests>,
    request: (Instant, u64),
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.requests.state();
        state.open.remove(&self.request);
        state.idle_since = Instant::now();
    }
}

/// The body of an answer, which keeps its request open until it has been handed over.
pub(super) struct Answer<B> {
    body: B,
    _open: Open,
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, open: Open) -> Self {
        Self { body, _open: open }
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn requests() -> Arc<Requests> {
        Arc::new(Requests::new(&ConnectionsConfig {
            max: 1,
            max_body_bytes: 1,
            header_timeout: 10 * SECOND,
            request_timeout: 30 * SECOND,
            idle_timeout: 75 * SECOND,
        }))
    }

    /// Whether the deadline is so many seconds from now, but for what a slow machine needs.
    fn is_due_in(requests: &Requests, seconds: u32) -> bool {
        let left = requests.deadline() - Instant::now();
        left <= seconds * SECOND && left > (seconds - 5) * SECOND
    }

    /// The deadline follows what the connection waits for: its first request, the oldest of those
    /// that are open, the next one.
    #[tokio::test]
    async fn the_deadline_follows_what_is_awaited() {
        let requests = requests();
        assert!(is_due_in(&requests, 10));
        let first = requests.begin();
        assert!(is_due_in(&requests, 60));
        let deadline = requests.deadline();
        let (second, third) = (requests.begin(), requests.begin());
        assert_eq!(requests.deadline(), deadline, "the oldest counts");
        drop(first);
        assert!(requests.deadline() > deadline);
        drop((second, third));
        assert!(is_due_in(&requests, 75));
    }

    /// Only a connection whose client has been answered can be sent away for another.
    #[tokio::test]
    async fn only_an_answered_client_is_idle() {
        let requests = requests();
        assert_eq!(requests.idle_for(), Duration::ZERO);
        let open = requests.begin();
        assert_eq!(requests.idle_for(), Duration::ZERO);
        drop(open);
        assert!(requests.idle_for() > Duration::ZERO);
    }
}
