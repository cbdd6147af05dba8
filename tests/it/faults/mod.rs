//! Servers and processes that are stopped, paused or killed under load. Confirmed operations must be
//! durable, the service must recover without intervention, and `/readyz` must report the fault.

mod brute_force;
mod database;
mod full_disk;
mod mail_server;
mod outages;
mod processes;
mod queue;
mod redis;
mod rolling;
mod silence;

use reqwest::Method;

use crate::support::client::{Client, Response};
use crate::support::eventually;

/// The number of requests between two steps of a test: several visits of each user.
const SOME_REQUESTS: usize = 60;

/// The response of `/readyz`: the HTTP status, the overall status, and that of one component.
async fn readiness(client: &Client, component: &str) -> (u16, String, String) {
    let response = Response::of(client.request(Method::GET, "/readyz")).await;
    let body = response.json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (
        response.status.as_u16(),
        text(&body["status"]),
        text(&body[component]["status"]),
    )
}

/// Waits until `/readyz` has this HTTP status, overall status, and status of a component.
async fn wait_until(client: &Client, status: u16, overall: &str, component: (&str, &str)) {
    let (name, component_status) = component;
    let expected = (status, overall.to_owned(), component_status.to_owned());
    eventually(&format!("{expected:?} of /readyz"), async || {
        (readiness(client, name).await == expected).then_some(())
    })
    .await;
}
