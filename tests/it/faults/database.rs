//! PostgreSQL stopped, paused and killed.

use std::ops::AsyncFnOnce;
use std::time::Duration;

use tokio::time::sleep;

use super::{A_WHILE, DEADLINE, wait_until};
use crate::support::client::Client;
use crate::support::deployment::Deployment;
use crate::support::load::{Load, SETTINGS};
use crate::support::postgres::PostgresServer;
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// People go on while `fault` happens, and everything holds afterwards.
async fn survives(fault: impl AsyncFnOnce(&mut PostgresServer, &Client)) {
    let mut postgres = PostgresServer::start().await;
    let deployment = Deployment::with_postgres_at(&postgres.url()).await;
    let server = SmtpServer::start(SmtpOptions::default());
    let process = deployment.spawn(&[], &server.settings(SETTINGS)).await;
    wait_until(&process, 200, "ready", ("database", "ok")).await;
    let load = Load::start(&[&process], &server);
    load.go_on_for(A_WHILE).await;
    fault(&mut postgres, &process).await;
    wait_until(&process, 200, "ready", ("database", "ok")).await;
    load.go_on_for(A_WHILE).await;
    let story = load.finish().await;
    assert!(story.slowest < DEADLINE, "{:?}", story.slowest);
    story.holds(&process, &server).await;
    process.wait_for("database_available").await;
    let output = process.output();
    for event in ["database_unavailable", "database_available"] {
        assert_eq!(output.matches(event).count(), 1, "{event}");
    }
}

/// PostgreSQL is stopped for three seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_postgresql_restart() {
    survives(async |postgres, client| {
        postgres.stop();
        wait_until(client, 503, "failing", ("database", "failing")).await;
        // Longer than the process takes to look.
        sleep(Duration::from_secs(6)).await;
        postgres.restart().await;
    })
    .await;
}

/// PostgreSQL dies at once, and comes back with what it had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_killed_postgresql() {
    survives(async |postgres, client| {
        postgres.kill();
        wait_until(client, 503, "failing", ("database", "failing")).await;
        // Longer than the process takes to look.
        sleep(Duration::from_secs(6)).await;
        postgres.restart().await;
    })
    .await;
}

/// PostgreSQL hangs, keeps its connections, and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_paused_postgresql() {
    survives(async |postgres, client| {
        postgres.pause();
        wait_until(client, 503, "failing", ("database", "failing")).await;
        sleep(Duration::from_secs(5)).await;
        postgres.resume();
    })
    .await;
}
