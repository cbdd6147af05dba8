//! Compressed responses, and compressed request bodies.

use std::io::Write;
use std::process::{Command, Stdio};

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Method, StatusCode};

use super::assert_rejected;
use crate::support::client::Response;
use crate::support::deployment::Deployment;

fn gzip(option: &str, input: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .arg(option)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is installed");
    let mut stdin = gzip.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = gzip.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// The client's preferred coding is used, and `Vary` is set for caches.
#[tokio::test]
async fn large_responses_are_compressed() {
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
        let compressed = response.bytes().await.unwrap();
        assert!(
            compressed.len() < plain.len() / 2,
            "{accepted}: {}",
            compressed.len()
        );
        if coding == "gzip" {
            assert_eq!(gzip("-dc", &compressed), plain);
        }
    }
    for accepted in ["gzip;q=0", "deflate, zstd", ""] {
        let response = get(accepted).await.unwrap();
        assert_eq!(response.headers().get(CONTENT_ENCODING), None, "{accepted}");
        assert_eq!(response.bytes().await.unwrap(), plain);
    }
}

#[tokio::test]
async fn small_responses_are_not_compressed() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let request = app.request(Method::GET, "/graphql?query={me{id}}");
    let response = Response::of(request.header(ACCEPT_ENCODING, "gzip, br")).await;
    assert_eq!(response.header("content-encoding"), None);
    assert_eq!(response.text, r#"{"data":{"me":null}}"#);
}

/// Request bodies are not decompressed: 50 kilobytes could become 50 megabytes.
#[tokio::test]
async fn compressed_bodies_are_rejected() {
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
        assert_rejected(&response, status, "BAD_USER_INPUT", coding);
        assert_eq!(response.header("accept-encoding"), Some("identity"));
    }
}
