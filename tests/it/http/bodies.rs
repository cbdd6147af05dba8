//! Request bodies.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};

use super::assert_rejected;
use crate::support::client::{Client, Response};
use crate::support::deployment::Deployment;

/// The default body limit, in bytes.
const MAX_BYTES: usize = 256 * 1024;

async fn send(client: &Client, body: impl Into<reqwest::Body>) -> Response {
    let request = client.request(Method::POST, "/graphql");
    let request = request.header(CONTENT_TYPE, "application/json").body(body);
    Response::of(request).await
}

/// The messages contain no implementation details.
#[tokio::test]
async fn invalid_bodies_are_rejected() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let deep = |depth| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"query":"{{me{{id}}}}","variables":{{"a":{open}{close}}}}}"#)
    };
    for body in [
        String::new(),
        " ".to_owned(),
        "{".to_owned(),
        "null".to_owned(),
        "3".to_owned(),
        "\"{me{id}}\"".to_owned(),
        "{me{id}}".to_owned(),
        "query={me{id}}".to_owned(),
        "{}".to_owned(),
        r#"{"Query":"{me{id}}"}"#.to_owned(),
        r#"{"query":null}"#.to_owned(),
        r#"{"query":3}"#.to_owned(),
        r#"{"query":["{me{id}}"]}"#.to_owned(),
        r#"{"query":"{me{id}}","variables":3}"#.to_owned(),
        r#"{"query":"{me{id}}","variables":"{}"}"#.to_owned(),
        r#"{"query":"{me{id}}","variables":[]}"#.to_owned(),
        r#"{"query":"{me{id}}","operationName":3}"#.to_owned(),
        r#"{"query":"{me{id}}","operationName":{}}"#.to_owned(),
        r#"{"query":"{me{id}}","extensions":"x"}"#.to_owned(),
        r#"{"query":"{me{id}}","extensions":[]}"#.to_owned(),
        r#"{"query":"{me{id}}"} more"#.to_owned(),
        r#"{"query":"\ud800"}"#.to_owned(),
        deep(1_000),
        deep(100_000),
    ] {
        let what: String = body.chars().take(80).collect();
        let response = send(&app, body).await;
        assert_rejected(&response, StatusCode::BAD_REQUEST, "BAD_USER_INPUT", &what);
        for detail in ["struct", "Parameters", "serde", "src/"] {
            assert!(!response.text.contains(detail), "{what}: {}", response.text);
        }
    }
    let invalid_utf8 = b"{\"query\":\"{me{id}} # \xff\"}".to_vec();
    let response = send(&app, invalid_utf8).await;
    assert_rejected(
        &response,
        StatusCode::BAD_REQUEST,
        "BAD_USER_INPUT",
        "invalid UTF-8",
    );
}

/// Limits count requests, so a request contains one operation.
#[tokio::test]
async fn batches_are_rejected() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    for body in [
        "[]",
        r#"[{"query":"{me{id}}"}]"#,
        r#"[{"query":"{me{id}}"},{"query":"{me{id}}"}]"#,
    ] {
        let response = send(&app, body).await;
        assert_rejected(&response, StatusCode::BAD_REQUEST, "BAD_USER_INPUT", body);
        assert!(
            response.text.contains("Batches are not supported."),
            "{}",
            response.text
        );
    }
}

#[tokio::test]
async fn unknown_keys_and_nulls_are_ignored() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    for body in [
        r#"{"query":"{me{id}}","id":7,"documentId":"x"}"#,
        r#"{"query":"{me{id}}","variables":null,"operationName":null,"extensions":null}"#,
        r#"{"query":"{me{id}}","variables":{"unused":{"a":[1]}},"extensions":{"clientLibrary":{"name":"x"}}}"#,
        " \n{\"query\":\"{me{id}}\"}\n",
    ] {
        assert_eq!(
            send(&app, body).await.text,
            r#"{"data":{"me":null}}"#,
            "{body}"
        );
    }
}

/// The limit applies with `Content-Length` and with chunked transfer coding.
#[tokio::test]
async fn large_bodies_are_rejected() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let padded = |bytes: usize| {
        let empty = r#"{"query":"{me{id}}","x":""}"#;
        empty.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - empty.len())))
    };
    assert_eq!(
        send(&app, padded(MAX_BYTES)).await.text,
        r#"{"data":{"me":null}}"#
    );
    for bytes in [MAX_BYTES + 1, 1_000_000] {
        let response = send(&app, padded(bytes)).await;
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        assert_rejected(
            &response,
            status,
            "BAD_USER_INPUT",
            &format!("{bytes} bytes"),
        );
    }

    let chunks = |bytes: usize| {
        let body = padded(bytes);
        let chunks = body.as_bytes().chunks(10_000);
        let chunks = chunks.map(|chunk| {
            let chunk = std::str::from_utf8(chunk).unwrap();
            format!("{:x}\r\n{chunk}\r\n", chunk.len())
        });
        chunks.collect::<String>() + "0\r\n\r\n"
    };
    let head = "POST /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let response = app.raw(&format!("{head}{}", chunks(MAX_BYTES))).await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    let response = app.raw(&format!("{head}{}", chunks(1_000_000))).await;
    assert!(
        response.starts_with("HTTP/1.1 413 Payload Too Large\r\n"),
        "{response}"
    );
    assert!(response.contains("BAD_USER_INPUT"), "{response}");
}
