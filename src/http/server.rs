//! The connection loop: accepts connections and serves HTTP/1.1 and HTTP/2 on them over hyper.
//!
//! poem's own server has no deadline for a request's head or for a client that does not read its
//! response, no cap on connections, and spins when `accept` fails. This one adds:
//!
//! - deadlines: for the TLS handshake and the first request, for a whole request including the
//!   time the client takes to read the response, and for a connection without requests;
//! - a cap of `MAX_CONNECTIONS`: at the cap, idle connections are closed and new ones wait in the
//!   system's backlog;
//! - a pause after an accept error.
//!
//! A response of the type `text/event-stream` may take as long as it likes: it has no deadline, and
//! is neither compressed nor buffered.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::compression::Compression;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use self::requests::Requests;
use super::tls::Tls;
use crate::config::ConnectionsConfig;
use crate::telemetry::{Throttle, event};

mod requests;
#[cfg(test)]
mod tests;

/// How long open requests may take to finish once the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// How long connections are still accepted then: those in the system's backlog, and those of
/// clients that a load balancer is just being told to send elsewhere.
const ACCEPT_GRACE: Duration = Duration::from_millis(100);
/// How long such a connection may take to send its first request.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);
/// How long a connection may take to close cleanly after its deadline.
const CLOSE_GRACE: Duration = Duration::from_secs(1);
/// How long a connection must have been idle to be closed at the cap; also how often that is tried.
const MIN_IDLE: Duration = Duration::from_secs(1);
/// How long nothing is accepted after an accept error.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// The longest request head in bytes, with the URL of a query by GET.
const MAX_HEAD: u32 = 64 * 1024;
/// Concurrent requests on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// Flow control windows in bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Streams that the client may reset before they were handled (CVE-2023-44487), and streams that
/// the server may have to reset (CVE-2025-8671), before the connection is closed.
const MAX_PENDING_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 100;
/// Keep-alive pings on HTTP/2 connections.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Smaller responses are not compressed: they fit into one packet anyway.
const MIN_COMPRESSED_BYTES: u16 = 1024;
/// The content type of a response that has no deadline.
const EVENT_STREAM: &str = "text/event-stream";

/// A bound port, with TLS or without.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
}

impl Listener {
    /// Binds a port; 0 stands for any free port.
    pub async fn bind(host: IpAddr, port: u16, tls: Option<Tls>) -> io::Result<Self> {
        Ok(Self {
            tcp: TcpListener::bind((host, port)).await?,
            tls: tls.map(Arc::new),
        })
    }

    pub fn port(&self) -> io::Result<u16> {
        Ok(self.tcp.local_addr()?.port())
    }
}

/// Serves requests until `stop` is done. Then idle connections are closed, open requests may take
/// up to ten seconds to finish, and connections that were just accepted may still send one request.
pub(super) async fn run<E>(
    listener: Listener,
    endpoint: E,
    config: ConnectionsConfig,
    stop: impl Future<Output = ()>,
) where
    E: Endpoint<Output = Response> + 'static,
{
    let server = Arc::new(Server {
        endpoint: Arc::new(endpoint),
        http: http(),
        config,
        tls: listener.tls.clone(),
        at_cap: Notify::new(),
        stopping: CancellationToken::new(),
    });
    let connections = TaskTracker::new();
    let reloading = async {
        match &listener.tls {
            Some(tls) => tls.reload_on_change().await,
            None => std::future::pending().await,
        }
    };
    {
        let mut accepting = pin!(server.accept(&listener.tcp, &connections));
        tokio::select! {
            () = stop => {}
            never = reloading => match never {},
            never = &mut accepting => match never {},
        }
        server.stopping.cancel();
        let _ = timeout(ACCEPT_GRACE, accepting).await;
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // hyper's own deadline for a head includes the time between two requests; ours does not.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

struct Server<E> {
    endpoint: Arc<E>,
    http: auto::Builder<TokioExecutor>,
    config: ConnectionsConfig,
    tls: Option<Arc<Tls>>,
    /// Notified while a new connection waits for another one to close.
    at_cap: Notify,
    stopping: CancellationToken,
}

impl<E> Server<E>
where
    E: Endpoint<Output = Response> + 'static,
{
    /// Accepts connections forever; accept errors are retried after a pause.
    async fn accept(
        self: &Arc<Self>,
        listener: &TcpListener,
        connections: &TaskTracker,
    ) -> Infallible {
        let permits = Arc::new(Semaphore::new(self.config.max as usize));
        let throttle = Throttle::default();
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let permit = if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
                        permit
                    } else {
                        throttle.emit(event::ConnectionLimitReached {});
                        self.make_room(&permits).await
                    };
                    let server = Arc::clone(self);
                    connections.spawn(async move {
                        server.serve(stream, peer).await;
                        drop(permit);
                    });
                }
                // The client has closed the connection already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    throttle.emit(event::AcceptFailed { error: &error });
                    self.at_cap.notify_waiters();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Has idle connections closed until one of the others has ended.
    async fn make_room(&self, permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        loop {
            self.at_cap.notify_waiters();
            let permit = timeout(MIN_IDLE, Arc::clone(permits).acquire_owned()).await;
            if let Ok(Ok(permit)) = permit {
                return permit;
            }
        }
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        // Otherwise small responses may wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let (local, peer) = (LocalAddr(local.into()), RemoteAddr(peer.into()));
        let Some(tls) = &self.tls else {
            return self.speak(stream, local, peer, Scheme::HTTP).await;
        };
        let handshake = timeout(self.config.header_timeout, tls.accept(stream));
        let too_late = async {
            self.stopping.cancelled().await;
            sleep(FIRST_REQUEST_GRACE).await;
        };
        tokio::select! {
            result = handshake => {
                if let Ok(Ok(stream)) = result {
                    self.speak(stream, local, peer, Scheme::HTTPS).await;
                }
            }
            () = too_late => {}
        }
    }

    /// Serves the requests of one connection.
    async fn speak<S>(&self, stream: S, local: LocalAddr, peer: RemoteAddr, scheme: Scheme)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let requests = Requests::new(self.config);
        let (opened, endpoint) = (Arc::clone(&requests), Arc::clone(&self.endpoint));
        let service = tower::service_fn(move |request: hyper::Request<Incoming>| {
            let mut open = opened.open();
            let endpoint = Arc::clone(&endpoint);
            let request = (request, local.clone(), peer.clone(), scheme.clone()).into();
            async move {
                let response = endpoint.get_response(request).await;
                if response.content_type() == Some(EVENT_STREAM) {
                    open.lift_deadline();
                }
                // The body keeps the request open until it is sent.
                let response = hyper::Response::from(response).map(|body| {
                    body.map_err(move |error| {
                        let _ = &open;
                        error
                    })
                });
                Ok::<_, Infallible>(response)
            }
        });
        let compressed =
            SizeAbove::new(MIN_COMPRESSED_BYTES).and(NotForContentType::const_new(EVENT_STREAM));
        let service = Compression::new(service).compress_when(compressed);
        let service = TowerToHyperService::new(service);
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let grace = tokio::select! {
            _ = connection.as_mut() => return,
            () = self.overdue(&requests) => CLOSE_GRACE,
            () = self.stopping_after_the_first(&requests) => SHUTDOWN_GRACE,
        };
        connection.as_mut().graceful_shutdown();
        let _ = timeout(grace, connection).await;
    }

    /// Done when the server stops, and the first request is there or its time is up.
    async fn stopping_after_the_first(&self, requests: &Requests) {
        self.stopping.cancelled().await;
        let _ = timeout(FIRST_REQUEST_GRACE, requests.first()).await;
    }

    /// Done at a connection's deadline, or when it is idle while others wait.
    async fn overdue(&self, requests: &Requests) {
        loop {
            let now = Instant::now();
            let deadline = requests.deadline();
            if deadline <= now {
                return;
            }
            tokio::select! {
                // A new deadline is at least this far away.
                () = sleep_until(deadline.min(now + requests.shortest())) => {}
                () = self.at_cap.notified() => {
                    if requests.idle_for() >= MIN_IDLE {
                        return;
                    }
                }
            }
        }
    }
}
