//! Shared helpers: deployments, the app in the test's process or in its own, a GraphQL client, and
//! servers that the app depends on.

pub(crate) mod accounts;
pub(crate) mod app;
pub(crate) mod certificate;
pub(crate) mod client;
mod database;
pub(crate) mod deployment;
pub(crate) mod flow;
pub(crate) mod full_disk;
pub(crate) mod jwt;
pub(crate) mod load;
pub(crate) mod mailer;
pub(crate) mod outbox;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod recording;
pub(crate) mod redis;
pub(crate) mod rejected_tokens;
pub(crate) mod sendgrid;
pub(crate) mod sink;
pub(crate) mod smtp;
pub(crate) mod socket;
mod sql;
pub(crate) mod statements;
pub(crate) mod team;

use std::time::{Duration, Instant};

/// How long a test waits for a condition.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// Polls a condition until it returns a value. Panics after [`TIMEOUT`].
pub(crate) async fn eventually<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(TIMEOUT, what, condition).await
}

/// [`eventually`] with another time limit.
pub(crate) async fn eventually_within<T>(
    timeout: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(
            start.elapsed() < timeout,
            "timed out while waiting for {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A port that was free just now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Generates two tests from each function: `embedded` with SQLite, and `clustered` with PostgreSQL
/// and Redis.
macro_rules! on_both_deployments {
    ($($(#[$meta:meta])* async fn $name:ident($deployment:ident: Deployment) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn test($deployment: Deployment) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                test(Deployment::embedded().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn clustered() {
                test(Deployment::clustered().await).await;
            }
        }
    )+};
}

pub(crate) use on_both_deployments;
