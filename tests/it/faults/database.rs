//! PostgreSQL is stopped, killed or paused under load.

use std::ops::AsyncFnOnce;

use super::{SOME_REQUESTS, wait_until};
use crate::support::deployment::Deployment;
use crate::support::load::{Load, SETTINGS};
use crate::support::postgres::PostgresServer;
use crate::support::process::Process;
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// Runs `fault` under load. The outage must be logged once and leave no inconsistency.
async fn survives(fault: impl AsyncFnOnce(&mut PostgresServer, &Process, &Load)) {
    let mut postgres = PostgresServer::start().await;
    let deployment = Deployment::with_postgres_at(&postgres.url()).await;
    let server = SmtpServer::start(SmtpOptions::default());
    let process = deployment.spawn(&[], &server.settings(SETTINGS)).await;
    wait_until(&process, 200, "ready", ("database", "ok")).await;
    let load = Load::start(&[&process], &server);
    load.wait_for_requests(SOME_REQUESTS).await;
    fault(&mut postgres, &process, &load).await;
    wait_until(&process, 200, "ready", ("database", "ok")).await;
    load.wait_for_requests(SOME_REQUESTS).await;
    let report = load.finish().await;
    report.assert_consistent(&process, &server).await;
    process.wait_for("database_available").await;
    let output = process.output();
    for event in ["database_unavailable", "database_available"] {
        assert_eq!(output.matches(event).count(), 1, "{event}");
    }
}

/// Waits until the outage is reported by `/readyz` and in the log.
async fn wait_for_outage_report(process: &Process) {
    wait_until(process, 503, "failing", ("database", "failing")).await;
    process.wait_for("database_unavailable").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_postgresql_restart() {
    survives(async |postgres, process, _| {
        postgres.stop();
        wait_for_outage_report(process).await;
        postgres.restart().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_killed_postgresql() {
    survives(async |postgres, process, _| {
        postgres.kill();
        wait_for_outage_report(process).await;
        postgres.restart().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_paused_postgresql() {
    survives(async |postgres, process, load| {
        postgres.pause();
        wait_for_outage_report(process).await;
        load.wait_for_failure().await;
        postgres.resume();
    })
    .await;
}
