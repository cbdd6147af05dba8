//! Connections: accepting them, speaking HTTP/1.1 or HTTP/2 on them, and an end to each.
//!
//! The framework's own server has no deadline for a request's head or for the reading of an
//! answer, no cap on connections, and spins when the system gives it none. This one is on the same
//! hyper, and adds just that:
//!
//! - no request for so long (the first one sooner): the connection is closed;
//! - a request that is not over in time, the reading of its answer included: the same;
//! - `MAX_CONNECTIONS` are open: those that are idle are closed, and new ones wait in the system's
//!   backlog, where they cost nothing here, until one has ended. A refusal would be as much work,
//!   and would turn people away for whom there is room a moment later;
//! - the system gives no connection: a short pause.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::requests::{Answer, Requests};
use super::tls::Tls;
use crate::config::ConnectionsConfig;
use crate::telemetry::{Throttle, event};

mod requests;

/// How long open requests may take to end once the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// How long connections are still accepted then: those that the system has made already, and those
/// of whoever is just being told to go elsewhere.
const LAST_CALL: Duration = Duration::from_millis(100);
/// How long a new connection may then take to bring its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// How long a connection may take to end in good order once its time is over.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a connection must have been idle to be closed for another; also how often that is
/// tried.
const CROWDED_IDLE: Duration = Duration::from_secs(1);
/// How long nothing is accepted after the system could not give a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// The longest head of a request, in bytes; a query by GET is in there.
const MAX_HEAD: u32 = 64 * 1024;
/// Requests open at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// What may be on its way to us unread, in bytes: of one request, and of one connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Streams that a client may cancel before they were looked at (CVE-2023-44487), and those that we
/// may have to reset (CVE-2025-8671); then the connection ends.
const MAX_RESETS: usize = 20;
const MAX_OWN_RESETS: usize = 100;
/// An HTTP/2 connection is asked whether it lives so often, and must say so within the time after.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// An open port, with TLS or without.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
}

impl Listener {
    /// Takes the port; 0 takes a free one.
    pub async fn bind(host: IpAddr, port: u16, tls: Option<Tls>) -> io::Result<Self> {
        Ok(Self {
            tcp: TcpListener::bind((host, port)).await?,
            tls: tls.map(Arc::new),
        })
    }

    /// The port it has.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.tcp.local_addr()?.port())
    }
}

/// Answers requests until `stop` is done. Then hardly anything is accepted any more, idle
/// connections are closed, and open requests may end for up to ten seconds. New connections may
/// bring one request before they are closed, so that nobody who was let in is turned away.
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
        crowded: Notify::new(),
        stopping: CancellationToken::new(),
    });
    let connections = TaskTracker::new();
    let keeping_fresh = async {
        match &listener.tls {
            Some(tls) => Arc::clone(tls).keep_fresh().await,
            None => std::future::pending().await,
        }
    };
    {
        let mut accepting = pin!(accept(&listener.tcp, &server, &connections));
        tokio::select! {
            () = stop => {}
            () = keeping_fresh => {}
            never = &mut accepting => match never {},
        }
        server.stopping.cancel();
        let _ = timeout(LAST_CALL, accepting).await;
    }
    drop(listener);
    connections.close();
    // Each of them sees to it that it ends.
    connections.wait().await;
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Its deadline for a head begins with the wait for a request; ours tell the two apart.
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
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_OWN_RESETS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_PATIENCE);
    builder
}

/// Accepts connections forever; transient accept errors are retried.
async fn accept<E>(
    listener: &TcpListener,
    server: &Arc<Server<E>>,
    connections: &TaskTracker,
) -> Infallible
where
    E: Endpoint<Output = Response> + 'static,
{
    let slots = Arc::new(Semaphore::new(server.config.max as usize));
    let throttle = Throttle::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let free = Arc::clone(&slots).try_acquire_owned();
                let slot = if let Ok(slot) = free {
                    slot
                } else {
                    throttle.emit(event::ConnectionLimitReached {});
                    server.make_room(&slots).await
                };
                let server = Arc::clone(server);
                connections.spawn(async move {
                    server.serve(stream, peer).await;
                    drop(slot);
                });
            }
            // The client was gone before we came to it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                throttle.emit(event::AcceptFailed { error: &error });
                server.crowded.notify_waiters();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

struct Server<E> {
    endpoint: Arc<E>,
    http: auto::Builder<TokioExecutor>,
    config: ConnectionsConfig,
    tls: Option<Arc<Tls>>,
    /// Rings when connections are wanted by others.
    crowded: Notify,
    stopping: CancellationToken,
}

impl<E> Server<E>
where
    E: Endpoint<Output = Response> + 'static,
{
    /// Waits for a connection to end, and has idle ones do so.
    async fn make_room(&self, slots: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        loop {
            self.crowded.notify_waiters();
            let slot = timeout(CROWDED_IDLE, Arc::clone(slots).acquire_owned()).await;
            if let Ok(Ok(slot)) = slot {
                return slot;
            }
        }
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        // Without this, small answers may wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let (local, peer) = (LocalAddr(local.into()), RemoteAddr(peer.into()));
        let Some(tls) = &self.tls else {
            return self.speak(stream, local, peer, Scheme::HTTP).await;
        };
        tokio::select! {
            shaken = timeout(self.config.header_timeout, tls.accept(stream)) => {
                if let Ok(Ok(stream)) = shaken {
                    self.speak(stream, local, peer, Scheme::HTTPS).await;
                }
            }
            () = self.stopped_for(FIRST_REQUEST) => {}
        }
    }

    /// Done so long after the server was told to stop.
    async fn stopped_for(&self, time: Duration) {
        self.stopping.cancelled().await;
        sleep(time).await;
    }

    /// Answers the requests of one connection.
    async fn speak<S>(&self, stream: S, local: LocalAddr, peer: RemoteAddr, scheme: Scheme)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let requests = Arc::new(Requests::new(&self.config));
        let service = service_fn(|request| {
            let open = requests.begin();
            let endpoint = Arc::clone(&self.endpoint);
            let request = (request, local.clone(), peer.clone(), scheme.clone()).into();
            async move {
                let response = endpoint.get_response(request).await;
                let response = hyper::Response::from(response);
                Ok::<_, Infallible>(response.map(|body| Answer::new(body, open)))
            }
        });
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let patience = tokio::select! {
            _ = connection.as_mut() => return,
            () = self.overdue(&requests) => FAREWELL,
            () = self.stopping_after_the_first(&requests) => SHUTDOWN_GRACE,
        };
        connection.as_mut().graceful_shutdown();
        let _ = timeout(patience, connection).await;
    }

    /// Done when the server stops, and the first request is there or has had its time to come.
    async fn stopping_after_the_first(&self, requests: &Requests) {
        self.stopping.cancelled().await;
        let _ = timeout(FIRST_REQUEST, requests.first()).await;
    }

    /// Done when the time of a connection is over, or it is idle while others wait.
    async fn overdue(&self, requests: &Requests) {
        loop {
            let now = Instant::now();
            let deadline = requests.deadline();
            if deadline <= now {
                return;
            }
            tokio::select! {
                // A deadline that comes up meanwhile is not sooner than the shortest of all.
                () = sleep_until(deadline.min(now + requests.shortest())) => {}
                () = self.crowded.notified() => {
                    if requests.idle_for() >= CROWDED_IDLE {
                        return;
                    }
                }
            }
        }
    }
}
