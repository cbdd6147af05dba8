//! Timeouts and limits of connections: slow, silent or greedy clients do not block others.

use std::pin::pin;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::app::TestApp;
use crate::support::client::Response;
use crate::support::deployment::Deployment;
use crate::support::socket::{
    HTTP2_PREFACE, Http2, get, http2_post, post_head, read_to_end, read_until, send_slowly,
};
use crate::support::{TIMEOUT, eventually};

const ALIVE: &str = "{\"status\":\"alive\"}";
const BODY: &str = r#"{"query":"{me{id}}"}"#;
const ME: &str = r#"{"data":{"me":null}}"#;

/// The shortest possible timeouts.
const SHORT_TIMEOUTS: [(&str, &str); 3] = [
    ("HEADER_TIMEOUT_SECONDS", "1"),
    ("REQUEST_TIMEOUT_SECONDS", "1"),
    ("IDLE_TIMEOUT_SECONDS", "1"),
];

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.address()).await.unwrap()
}

/// Sends bytes and waits until the server closes the connection. Returns the response.
async fn send_until_closed(app: &TestApp, bytes: &[u8]) -> String {
    let mut stream = connect(app).await;
    stream.write_all(bytes).await.unwrap();
    read_to_end(&mut stream).await
}

/// The timeout applies to HTTP/1.1 and HTTP/2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_a_complete_request_is_closed() {
    let deployment = Deployment::embedded().await;
    let app = deployment
        .start_with(&[("HEADER_TIMEOUT_SECONDS", "1")])
        .await;
    let long_timeout = deployment
        .start_with(&[("HEADER_TIMEOUT_SECONDS", "3600")])
        .await;
    let mut slow = connect(&long_timeout).await;
    let (first, rest) = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".split_at(12);
    slow.write_all(first.as_bytes()).await.unwrap();
    let partial_head = [HTTP2_PREFACE, b"\x00\x00\x08\x01\x00\x00\x00\x00\x01"].concat();
    let prefixes: [&[u8]; 6] = [
        b"",
        b"P",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type:",
        HTTP2_PREFACE,
        &partial_head,
    ];
    let responses = join_all(prefixes.map(|bytes| send_until_closed(&app, bytes))).await;
    for (prefix, response) in prefixes.iter().zip(responses) {
        let prefix = String::from_utf8_lossy(prefix);
        assert!(!response.contains("HTTP/1.1 200"), "{prefix:?}: {response}");
    }
    // A server with a long timeout still waits.
    slow.write_all(rest.as_bytes()).await.unwrap();
    read_until(&mut slow, ALIVE).await;
}

/// 200 clients that send single bytes are disconnected at the timeout. Before, others are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_do_not_block_others() {
    let deployment = Deployment::embedded().await;
    let settings = [
        ("HEADER_TIMEOUT_SECONDS", "6"),
        ("REQUEST_TIMEOUT_SECONDS", "6"),
    ];
    let app = deployment.start_with(&settings).await;
    let disconnected = AtomicBool::new(false);
    let slow = (0..200).map(async |n| {
        let mut stream = connect(&app).await;
        let sends_head = n % 2 == 0;
        if !sends_head {
            let head = post_head(100_000);
            stream.write_all(head.as_bytes()).await.unwrap();
        }
        let (mut reader, mut writer) = stream.split();
        let sending = send_slowly(&mut writer, "x-slow: 1\r\n", TIMEOUT);
        let (_, response) = tokio::join!(sending, read_to_end(&mut reader));
        disconnected.store(true, Ordering::Relaxed);
        if sends_head {
            assert_eq!(response, "");
        } else {
            assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        }
    });
    let others = async {
        let mut served = 0;
        while !disconnected.load(Ordering::Relaxed) {
            assert_eq!(app.post("{ me { id } }", json!({})).await.text, ME);
            served += usize::from(!disconnected.load(Ordering::Relaxed));
        }
        served
    };
    let (_, served) = tokio::join!(join_all(slow), others);
    assert!(
        served > 0,
        "no request was served while the slow clients were connected"
    );
}

/// A connection can be reused until it is idle for too long or the next request stays incomplete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_closed() {
    let deployment = Deployment::embedded().await;
    let app = deployment
        .start_with(&[("IDLE_TIMEOUT_SECONDS", "1")])
        .await;
    for next in ["", "GET /healthz HTTP/1.1\r\nHost:"] {
        let mut stream = connect(&app).await;
        for _ in 0..2 {
            stream.write_all(get("/healthz").as_bytes()).await.unwrap();
            let response = read_until(&mut stream, ALIVE).await;
            assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        }
        stream.write_all(next.as_bytes()).await.unwrap();
        assert_eq!(read_to_end(&mut stream).await, "");
    }

    let mut http2 = Http2::open(app.address()).await;
    let request = || Request::get("http://localhost/healthz").body(()).unwrap();
    assert_eq!(http2.send(request(), "").await.unwrap().1, ALIVE);
    let closed = timeout(TIMEOUT, &mut http2.closed).await;
    closed
        .expect("the server closes the connection")
        .unwrap()
        .expect("without an error");
}

/// A client that does not read responses is disconnected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_responses_are_discarded() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start_with(&SHORT_TIMEOUTS).await;
    let stylesheet = Response::of(app.request(Method::GET, "/assets/pages.css")).await;

    // HTTP/1.1: more responses than socket buffers hold.
    let requests = 20_000_000 / stylesheet.text.len();
    let mut stream = connect(&app).await;
    let all = get("/assets/pages.css").repeat(requests);
    let sent = timeout(TIMEOUT, stream.write_all(all.as_bytes())).await;
    if let Ok(Ok(())) = sent {
        eventually("the connection to fail", async || {
            stream.write_all(b"\r\n").await.err()
        })
        .await;
    }
    let received = read_to_end(&mut stream).await;
    assert!(received.len() < requests * stylesheet.text.len());

    // HTTP/2: the client's flow control window is 0.
    let stream = connect(&app).await;
    let mut builder = h2::client::Builder::new();
    let handshake = builder.initial_window_size(0).handshake::<_, Bytes>(stream);
    let (requests, connection) = handshake.await.unwrap();
    let closed = tokio::spawn(connection);
    let mut requests = requests.ready().await.unwrap();
    let request = Request::get("http://localhost/assets/pages.css")
        .body(())
        .unwrap();
    let (response, _sink) = requests.send_request(request, true).unwrap();
    let (head, _body) = response.await.unwrap().into_parts();
    assert_eq!(head.status, StatusCode::OK);
    let closed = timeout(TIMEOUT, closed).await;
    let _ = closed.expect("the server closes the connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_closed_at_the_connection_limit() {
    let deployment = Deployment::embedded().await;
    let settings = [("MAX_CONNECTIONS", "2"), ("IDLE_TIMEOUT_SECONDS", "3600")];
    let app = deployment.start_with(&settings).await;
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&app).await;
        stream.write_all(get("/healthz").as_bytes()).await.unwrap();
        read_until(&mut stream, ALIVE).await;
        idle.push(stream);
    }
    let response = timeout(TIMEOUT, app.post("{ me { id } }", json!({}))).await;
    assert_eq!(response.unwrap().text, ME);
    for mut stream in idle {
        assert_eq!(read_to_end(&mut stream).await, "");
    }
}

/// Without idle connections, new ones wait until another one is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_wait_at_the_connection_limit() {
    let deployment = Deployment::embedded().await;
    let settings = [("MAX_CONNECTIONS", "3"), ("HEADER_TIMEOUT_SECONDS", "3600")];
    let server = deployment.spawn(&["serve"], &settings).await;
    let mut silent = join_all((0..3).map(|_| TcpStream::connect(server.address()))).await;
    let mut request = pin!(server.post("{ me { id } }", json!({})));
    tokio::select! {
        biased;
        response = &mut request => panic!("{response:?}"),
        () = server.wait_for("connection_limit_reached") => {}
    }
    silent.pop();
    let response = timeout(TIMEOUT, request).await;
    assert_eq!(response.unwrap().text, ME);
}

/// The server retries and logs the error once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_survives_a_lack_of_file_descriptors() {
    let deployment = Deployment::embedded().await;
    let server = deployment.spawn(&["serve"], &[]).await;
    assert_eq!(server.post("{ me { id } }", json!({})).await.text, ME);
    let limit = |files: u32| {
        let id = server.id().to_string();
        let files = format!("--nofile={files}:4096");
        let done = Command::new("prlimit")
            .args(["--pid", &id, &files])
            .status();
        assert!(done.unwrap().success());
    };
    limit(4096);
    limit(8);
    let waiting = join_all((0..20).map(|_| TcpStream::connect(server.address()))).await;
    server.wait_for("accept_failed").await;
    limit(4096);
    drop(waiting);
    assert_eq!(server.post("{ me { id } }", json!({})).await.text, ME);
    assert_eq!(server.output().matches("accept_failed").count(), 1);
}

/// On shutdown, the server closes idle connections, accepts no new ones and completes requests in
/// progress, with HTTP/1.1 and HTTP/2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_requests_complete_before_shutdown() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let address = app.address().to_owned();
    let mut silent = connect(&app).await;
    let mut idle = connect(&app).await;
    idle.write_all(get("/healthz").as_bytes()).await.unwrap();
    read_until(&mut idle, ALIVE).await;
    let mut idle_http2 = Http2::open(&address).await;
    let health = Request::get("http://localhost/healthz").body(()).unwrap();
    idle_http2.send(health, "").await.unwrap();

    let mut open = connect(&app).await;
    open.write_all(post_head(BODY.len()).as_bytes())
        .await
        .unwrap();
    open.write_all(&BODY.as_bytes()[..5]).await.unwrap();
    let open_http2 = Http2::open(&address).await;
    let mut requests = open_http2.requests.clone().ready().await.unwrap();
    let (response, mut body) = requests.send_request(http2_post(), false).unwrap();
    body.send_data(Bytes::from_static(&BODY.as_bytes()[..5]), false)
        .unwrap();
    // By now, the server has received the beginning of both requests.
    assert_eq!(app.post("{ me { id } }", json!({})).await.text, ME);

    let stopping = tokio::spawn(app.stop());
    assert_eq!(read_to_end(&mut idle).await, "");
    assert_eq!(read_to_end(&mut silent).await, "");
    idle_http2
        .closed
        .await
        .unwrap()
        .expect("the connection is closed without an error");
    eventually("the port to be closed", async || {
        TcpStream::connect(&address).await.err()
    })
    .await;
    assert!(!stopping.is_finished());

    open.write_all(&BODY.as_bytes()[5..]).await.unwrap();
    let text = read_to_end(&mut open).await;
    assert!(
        text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with(ME),
        "{text}"
    );
    body.send_data(Bytes::from_static(&BODY.as_bytes()[5..]), true)
        .unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incomplete_request_does_not_prevent_shutdown() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let mut open = connect(&app).await;
    open.write_all(post_head(100).as_bytes()).await.unwrap();
    assert_eq!(app.post("{ me { id } }", json!({})).await.text, ME);
    let stopped = timeout(TIMEOUT, app.stop()).await;
    stopped.expect("the server stops");
}

/// HTTP/2 without TLS needs prior knowledge and has the same body limit as HTTP/1.1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_is_supported() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start_with(&[("MAX_BODY_BYTES", "100000")]).await;
    let mut http2 = Http2::open(app.address()).await;
    let (status, text) = http2.send(http2_post(), BODY).await.unwrap();
    assert_eq!((status, &*text), (StatusCode::OK, ME));
    assert_eq!(http2.requests.current_max_send_streams(), 100);
    let longest = BODY.to_owned() + &" ".repeat(100_000 - BODY.len());
    assert_eq!(http2.send(http2_post(), longest).await.unwrap().1, ME);
    let (status, text) = http2.send(http2_post(), vec![b' '; 100_001]).await.unwrap();
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{text}");
    assert!(text.contains("A body has at most 100000 bytes."), "{text}");
    assert_eq!(http2.send(http2_post(), BODY).await.unwrap().1, ME);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_heads_have_a_maximum_size() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let with_header = |bytes: usize| {
        let header = "x".repeat(bytes);
        format!("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Long: {header}\r\n\r\n")
    };
    let response = app.raw(&with_header(30_000)).await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    let response = app.raw(&with_header(200_000)).await;
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");

    let mut http2 = Http2::open(app.address()).await;
    let long = Request::get("http://localhost/healthz").header("x-long", "x".repeat(200_000));
    let result = http2.send(long.body(()).unwrap(), "").await;
    assert!(!matches!(result, Ok((StatusCode::OK, _))), "{result:?}");
}

/// Rapid reset (CVE-2023-44487). Other clients are served in the meantime.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_cancelled_requests_closes_the_connection() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let http2 = Http2::open(app.address()).await;
    let flood = async {
        for _ in 0..10_000 {
            let Ok(mut requests) = http2.requests.clone().ready().await else {
                return;
            };
            match requests.send_request(http2_post(), false) {
                Ok((_, mut body)) => body.send_reset(h2::Reason::CANCEL),
                Err(_) => return,
            }
        }
    };
    let ((), response) = tokio::join!(flood, app.post("{ me { id } }", json!({})));
    assert_eq!(response.text, ME);
    let closed = timeout(TIMEOUT, http2.closed).await;
    let error = closed
        .expect("the server closes the connection")
        .unwrap()
        .unwrap_err();
    // A client that is still writing may get an I/O error before it reads the reason.
    let is_expected = error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM) || error.is_io();
    assert!(is_expected, "{error}");
}
