//! Connections of which nothing more is ever heard, as when the machine at the other end is gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::io;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{A_WHILE, DEADLINE, wait_until};
use crate::support::deployment::Deployment;
use crate::support::eventually_within;
use crate::support::load::{Load, SETTINGS};
use crate::support::outbox::Outbox;
use crate::support::postgres::PostgresServer;
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// Passes everything on to another port, until it is told to forget its connections: it keeps
/// them, and passes nothing on any more.
struct Wire {
    port: u16,
    generation: Arc<watch::Sender<u32>>,
}

impl Wire {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self {
            port: listener.local_addr().unwrap().port(),
            generation: Arc::new(watch::Sender::new(0)),
        };
        let generation = Arc::clone(&wire.generation);
        tokio::spawn(async move {
            let mut forgotten = Vec::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let mut changes = generation.subscribe();
                forgotten.push(tokio::spawn(async move {
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
        wire
    }

    /// Nothing more comes of the connections there are; new ones work.
    fn forget(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}

/// Whoever waits for a connection of the pool that will never say anything again gives up in time,
/// requests and the worker alike, and another takes its place. What such a connection had locked is
/// set free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_database_connections_are_dropped() {
    let postgres = PostgresServer::start().await;
    let wire = Wire::to(postgres.port()).await;
    let deployment = Deployment::with_postgres_at(&PostgresServer::url_at(wire.port)).await;
    let server = SmtpServer::start(SmtpOptions::default());
    let settings: Vec<_> = [SETTINGS, &[("DATABASE_MAX_CONNECTIONS", "3")]].concat();
    let process = deployment.spawn(&[], &server.settings(&settings)).await;
    wait_until(&process, 200, "ready", ("database", "ok")).await;
    let load = Load::start(&[&process], &server);
    load.go_on_for(A_WHILE).await;
    wire.forget();
    wait_until(&process, 503, "failing", ("database", "failing")).await;
    eventually_within(Duration::from_secs(40), "the pool to heal", async || {
        let (status, ..) = super::readiness(&process, "database").await;
        (status == 200).then_some(())
    })
    .await;
    // Held by whoever never heard that the mail was theirs.
    Outbox::of(&deployment).await.expire_leases().await;
    load.go_on_for(A_WHILE).await;
    let story = load.finish().await;
    assert!(story.slowest < DEADLINE, "{:?}", story.slowest);
    story.holds(&process, &server).await;
}
