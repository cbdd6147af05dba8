use std::net::Ipv4Addr;
use std::sync::Mutex;

use futures::{FutureExt, StreamExt, stream};
use poem::Body;
use poem::endpoint::make_sync;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::oneshot;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> ConnectionsConfig {
    ConnectionsConfig {
        max: 1,
        max_body_bytes: 1,
        header_timeout: 10 * SECOND,
        request_timeout: 30 * SECOND,
        idle_timeout: 75 * SECOND,
    }
}

/// Whether the deadline is so many seconds from now, give or take the time of a slow machine.
fn is_due_in(requests: &Requests, seconds: u32) -> bool {
    let left = requests.deadline() - Instant::now();
    left <= seconds * SECOND && left > (seconds - 5) * SECOND
}

/// The deadline is that of the first request, of the oldest open one, or of the next one.
#[test]
fn the_deadline_follows_the_open_requests() {
    let requests = Requests::new(config());
    assert!(is_due_in(&requests, 10));
    let first = requests.open();
    assert!(is_due_in(&requests, 60));
    let deadline = requests.deadline();
    let (mut second, third) = (requests.open(), requests.open());
    assert_eq!(requests.deadline(), deadline, "the oldest counts");
    drop(first);
    assert!(requests.deadline() > deadline);
    second.lift_deadline();
    drop(third);
    assert!(requests.deadline() > Instant::now() + 70 * SECOND);
    assert_eq!(requests.idle_for(), Duration::ZERO, "a stream is open");
    drop(second);
    assert!(is_due_in(&requests, 75));
}

/// Only a connection whose requests are answered may be closed to make room.
#[test]
fn only_an_answered_client_is_idle() {
    let requests = Requests::new(config());
    assert_eq!(requests.idle_for(), Duration::ZERO);
    let open = requests.open();
    assert_eq!(requests.idle_for(), Duration::ZERO);
    drop(open);
    assert!(requests.idle_for() > Duration::ZERO);
}

/// A response whose second part follows when `finish` is sent, on a server whose deadline for a
/// whole request is 100 ms. Returns the connection after its first part.
async fn first_part_of(
    content_type: &'static str,
    accepted: &str,
) -> (BufReader<TcpStream>, oneshot::Sender<()>) {
    let (finish, finished) = oneshot::channel::<()>();
    let finished = Mutex::new(Some(finished));
    let endpoint = make_sync(move |_| {
        let finished = finished.lock().unwrap().take().unwrap();
        let last = stream::once(finished.map(|_| "last\n"));
        let parts = stream::iter(["first\n"]).chain(last);
        let body = Body::from_bytes_stream(parts.map(Ok::<_, io::Error>));
        Response::builder().content_type(content_type).body(body)
    });
    let config = ConnectionsConfig {
        request_timeout: Duration::from_millis(50),
        ..config()
    };
    let listener = Listener::bind(Ipv4Addr::LOCALHOST.into(), 0, None).await;
    let listener = listener.unwrap();
    let port = listener.port().unwrap();
    tokio::spawn(run(listener, endpoint, config, std::future::pending()));
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
    let mut stream = BufReader::new(stream.unwrap());
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {accepted}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = String::new();
    while line != "first\n" {
        line.clear();
        assert_ne!(stream.read_line(&mut line).await.unwrap(), 0);
    }
    (stream, finish)
}

/// Events arrive one by one, uncompressed, and also after the deadline for other responses.
#[tokio::test]
async fn an_event_stream_has_no_deadline() {
    let (mut stream, finish) = first_part_of(EVENT_STREAM, "gzip").await;
    sleep(Duration::from_millis(300)).await;
    finish.send(()).unwrap();
    let mut line = String::new();
    while line != "last\n" {
        line.clear();
        assert_ne!(stream.read_line(&mut line).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn any_other_response_is_cut_off_at_its_deadline() {
    let (mut stream, _finish) = first_part_of("text/plain", "identity").await;
    let mut rest = String::new();
    let _ = stream.read_to_string(&mut rest).await;
    assert!(!rest.contains("last"), "{rest}");
}
