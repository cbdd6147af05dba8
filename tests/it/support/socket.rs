//! Raw connections, for misbehaving clients.

use std::io;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::TIMEOUT;

/// The connection preface of HTTP/2, with empty settings.
pub(crate) const HTTP2_PREFACE: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// A keep-alive GET request.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// The head of a POST to `/graphql` with a body of `length` bytes.
pub(crate) fn post_head(length: usize) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// Reads until the server closes the connection; panics after [`TIMEOUT`].
pub(crate) async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    let reading = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut text)).await;
    // A reset closes the connection too.
    let _ = reading.expect("the server closes the connection");
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads a response up to its known last bytes; panics after [`TIMEOUT`].
pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut text = Vec::new();
    let reading = async {
        while !text.ends_with(end.as_bytes()) {
            let byte = stream.read_u8().await;
            text.push(byte.expect("the response ends with the expected bytes"));
        }
    };
    let read = tokio::time::timeout(TIMEOUT, reading).await;
    read.expect("the response arrives");
    String::from_utf8(text).unwrap()
}

/// Sends a text byte by byte, repeatedly, until the connection fails or the time limit is reached.
/// Returns the error.
pub(crate) async fn send_slowly(
    stream: &mut (impl AsyncWrite + Unpin),
    text: &str,
    limit: Duration,
) -> Option<io::Error> {
    let mut interval = tokio::time::interval(Duration::from_millis(100));
    let sending = async {
        for byte in text.bytes().cycle() {
            interval.tick().await;
            if let Err(error) = stream.write_all(&[byte]).await {
                return error;
            }
        }
        unreachable!("the text repeats")
    };
    tokio::time::timeout(limit, sending).await.ok()
}

/// An HTTP/2 connection.
pub(crate) struct Http2 {
    pub(crate) requests: h2::client::SendRequest<Bytes>,
    /// The result of the connection, once it is closed.
    pub(crate) closed: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    /// Connects without TLS, with prior knowledge of HTTP/2.
    pub(crate) async fn open(address: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    /// Starts HTTP/2 on an open connection.
    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        Self {
            requests,
            closed: tokio::spawn(connection),
        }
    }

    /// Sends a request and returns status and body.
    pub(crate) async fn send(
        &mut self,
        request: Request<()>,
        body: impl Into<Bytes>,
    ) -> Result<(StatusCode, String), h2::Error> {
        let body = body.into();
        let mut requests = self.requests.clone().ready().await?;
        let (response, mut sink) = requests.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            // A server that rejects a request may close before it has read everything.
            let _ = sink.send_data(body, true);
        }
        let (head, mut body) = response.await?.into_parts();
        let mut text = Vec::new();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            text.extend_from_slice(&data);
        }
        Ok((head.status, String::from_utf8(text).unwrap()))
    }
}

/// A POST of JSON to `/graphql` over HTTP/2.
pub(crate) fn http2_post() -> Request<()> {
    Request::post("http://localhost/graphql")
        .header("content-type", "application/json")
        .body(())
        .unwrap()
}
