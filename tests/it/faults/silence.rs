//! Connections that stay open but deliver nothing, as after the remote machine has crashed.

use std::sync::Arc;
use std::time::Duration;

use tokio::io;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{SOME_REQUESTS, wait_until};
use crate::support::deployment::Deployment;
use crate::support::eventually_within;
use crate::support::load::{Load, SETTINGS};
use crate::support::outbox::Outbox;
use crate::support::postgres::PostgresServer;
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// A TCP proxy that can stop forwarding on its connections without closing them.
struct Proxy {
    port: u16,
    generation: Arc<watch::Sender<u32>>,
}

impl Proxy {
    async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            generation: Arc::new(watch::Sender::new(0)),
        };
        let generation = Arc::clone(&proxy.generation);
        tokio::spawn(async move {
            let mut connections = Vec::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let mut changes = generation.subscribe();
                connections.push(tokio::spawn(async move {
                    let (mut client, Ok(mut server)) =
                        (client, TcpStream::connect(("127.0.0.1", port)).await)
                    else {
                        return;
                    };
                    tokio::select! {
                        _ = io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = changes.changed() => std::future::pending().await,
                    }
                }));
            }
        });
        proxy
    }

    /// Stops forwarding on all open connections; new ones work.
    fn silence(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}

/// Requests and the worker time out on silent connections, the pool replaces the connections, and
/// PostgreSQL releases their locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_database_connections_are_dropped() {
    let postgres = PostgresServer::start().await;
    let proxy = Proxy::start(postgres.port()).await;
    let deployment = Deployment::with_postgres_at(&PostgresServer::url_at(proxy.port)).await;
    let server = SmtpServer::start(SmtpOptions::default());
    let settings: Vec<_> = [SETTINGS, &[("DATABASE_MAX_CONNECTIONS", "3")]].concat();
    let process = deployment.spawn(&[], &server.settings(&settings)).await;
    wait_until(&process, 200, "ready", ("database", "ok")).await;
    let load = Load::start(&[&process], &server);
    load.wait_for_requests(SOME_REQUESTS).await;
    proxy.silence();
    wait_until(&process, 503, "failing", ("database", "failing")).await;
    eventually_within(Duration::from_secs(40), "the pool to recover", async || {
        let (status, ..) = super::readiness(&process, "database").await;
        (status == 200).then_some(())
    })
    .await;
    // Leases of workers that did not receive the response.
    Outbox::of(&deployment).await.expire_leases().await;
    load.wait_for_requests(SOME_REQUESTS).await;
    let report = load.finish().await;
    report.assert_consistent(&process, &server).await;
}
