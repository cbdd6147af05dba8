//! Answers that are packed for who takes it, and bodies that are not unpacked.

use std::io::Write;
use std::process::{Command, Stdio};

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Method, StatusCode};

use super::assert_refused;
use crate::support::client::Response;
use crate::support::deployment::Deployment;

/// Runs `gzip` on bytes.
fn gzip(option: &str, input: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .arg(option)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is there");
    let mut sink = gzip.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = std::thread::spawn(move || sink.write_all(&input).unwrap());
    let output = gzip.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// Answers that are large enough are packed as the client likes best, and caches are told that
/// there are several.
#[tokio::test]
async fn large_answers_are_compressed() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let get = |accepted: &str| {
        let request = app.request(Method::GET, "/assets/pages.css");
        request.header(ACCEPT_ENCODING, accepted).send()
    };
    let plain = get("identity").await.unwrap();
    assert_eq!(plain.headers().get(CONTENT_ENCODING), None);
    assert_eq!(plain.headers()["vary"], "accept-encoding");
    let plain = plain.bytes().await.unwrap();
    for (accepted, coding) in [
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0, gzip;q=0.1", "gzip"),
    ] {
        let response = get(accepted).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_ENCODING], coding, "{accepted}");
        assert_eq!(response.headers()["vary"], "accept-encoding");
        let packed = response.bytes().await.unwrap();
        assert!(
            packed.len() < plain.len() / 2,
            "{accepted}: {}",
            packed.len()
        );
        if coding == "gzip" {
            assert_eq!(gzip("-dc", &packed), plain);
        }
    }
    for accepted in ["gzip;q=0", "deflate, zstd", ""] {
        let response = get(accepted).await.unwrap();
        assert_eq!(response.headers().get(CONTENT_ENCODING), None, "{accepted}");
        assert_eq!(response.bytes().await.unwrap(), plain);
    }
}

/// What fits into one packet is sent as it is.
#[tokio::test]
async fn small_answers_are_not_compressed() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let request = app.request(Method::GET, "/graphql?query={me{id}}");
    let response = Response::of(request.header(ACCEPT_ENCODING, "gzip, br")).await;
    assert_eq!(response.header("content-encoding"), None);
    assert_eq!(response.text, r#"{"data":{"me":null}}"#);
}

/// Nothing is unpacked: fifty kilobytes could be fifty megabytes.
#[tokio::test]
async fn compressed_bodies_are_refused() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let query = br#"{"query":"{me{id}}"}"#.to_vec();
    let bomb = gzip("-c", &vec![b' '; 50_000_000]);
    assert!(bomb.len() < 100_000);
    for (coding, body) in [
        ("gzip", gzip("-c", &query)),
        ("gzip", bomb),
        ("br", query.clone()),
        ("gzip, identity", query.clone()),
        ("x-unknown", query),
    ] {
        let request = app.request(Method::POST, "/graphql");
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, coding);
        let response = Response::of(request.body(body)).await;
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        assert_refused(&response, status, "BAD_USER_INPUT", coding);
        assert_eq!(response.header("accept-encoding"), Some("identity"));
    }
}
