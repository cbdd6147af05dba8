//! Servers and processes stopped, paused and killed while people use them. Nothing that was
//! promised may be lost, nothing forged, everything must come back by itself, and `/readyz` must
//! have said how things stood.

mod database;
mod guessing;
mod log_disk;
mod mail_server;
mod outages;
mod processes;
mod queue;
mod redis;
mod rolling;
mod silence;

use std::time::Duration;

use reqwest::Method;

use crate::support::client::{Client, Response};
use crate::support::eventually;

/// How often people are let go on between two steps of a test: some visits of each of them.
const A_WHILE: usize = 60;

/// What a request may take while the database is stuck: a call of it 15 s, and time for the test's
/// own machine to be busy.
const DEADLINE: Duration = Duration::from_secs(20);

/// What `/readyz` says: the status, and the words for the whole and for one part.
async fn readiness(client: &Client, part: &str) -> (u16, String, String) {
    let answer = Response::of(client.request(Method::GET, "/readyz")).await;
    let body = answer.json();
    let word = |word: &serde_json::Value| word.as_str().unwrap().to_owned();
    (
        answer.status.as_u16(),
        word(&body["status"]),
        word(&body[part]["status"]),
    )
}

/// Waits until `/readyz` has this status, and these words for the whole and for one part.
async fn wait_until(client: &Client, status: u16, whole: &str, part: (&str, &str)) {
    let wanted = (status, whole.to_owned(), part.1.to_owned());
    eventually(&format!("{wanted:?} of /readyz"), async || {
        (readiness(client, part.0).await == wanted).then_some(())
    })
    .await;
}
