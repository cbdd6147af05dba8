//! A full disk for the log, and for SQLite.

use serde_json::Value;

use super::{SOME_REQUESTS, wait_until};
use crate::support::deployment::Deployment;
use crate::support::eventually;
use crate::support::full_disk::SizeLimitedProcess;
use crate::support::load::{Load, SETTINGS};
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// Requests succeed while the log cannot be written. Each outage is reported once on standard
/// error. At most one line per outage is truncated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_only_log_lines() {
    let deployment = Deployment::embedded().await;
    let settings = [
        ("LOG_TO_FILE", "true"),
        ("LOG_FILE", "app.log"),
        ("LOG_FORMAT", "json"),
        ("LOG_LEVEL", "DEBUG"),
    ];
    let mut limited = SizeLimitedProcess::spawn(deployment.variables(&settings)).await;
    let process = &limited.process;
    let send_requests = async || {
        for _ in 0..30 {
            process.me().await;
        }
    };
    let reports = || limited.read("errors").matches("cannot write to").count();
    // Larger than SQLite's files become, so that only the log exceeds the limit.
    limited.append("app.log", &"\n".repeat(6_000_000));
    for outage in 1..=2 {
        send_requests().await;
        limited.limit_file_size(limited.size("app.log") + 100);
        send_requests().await;
        eventually("a report on standard error", async || {
            (reports() == outage).then_some(())
        })
        .await;
        send_requests().await;
        wait_until(process, 200, "ready", ("database", "ok")).await;
        assert_eq!(reports(), outage, "{}", limited.read("errors"));

        limited.remove_limit();
        let full = limited.size("app.log");
        eventually("the log to be written again", async || {
            send_requests().await;
            (limited.size("app.log") > full + 1000).then_some(())
        })
        .await;
    }
    limited.process.terminate().await;
    let log = limited.read("app.log");
    let lines = log.lines().filter(|line| !line.is_empty());
    let (complete, truncated): (Vec<_>, Vec<_>) =
        lines.partition(|line| serde_json::from_str::<Value>(line).is_ok());
    assert!(truncated.len() <= 2, "{truncated:?}");
    assert!(complete.last().unwrap().contains("server_stopped"));
}

/// Requests that SQLite cannot write for fail without partial effects. Later requests succeed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_does_not_corrupt_sqlite() {
    let deployment = Deployment::embedded().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let variables = deployment.variables(&server.settings(SETTINGS));
    let limited = SizeLimitedProcess::spawn(variables).await;
    let load = Load::start(&[&limited.process], &server);
    load.wait_for_requests(SOME_REQUESTS).await;
    let data = deployment.path().join("data");
    let files = std::fs::read_dir(data).unwrap();
    let sizes = files.map(|entry| entry.unwrap().metadata().unwrap().len());
    limited.limit_file_size(sizes.max().unwrap());
    load.wait_for_failure().await;
    load.wait_for_requests(SOME_REQUESTS).await;
    limited.remove_limit();
    load.wait_for_requests(SOME_REQUESTS).await;
    let report = load.finish().await;
    report.assert_consistent(&limited.process, &server).await;
    wait_until(&limited.process, 200, "ready", ("outbox", "ok")).await;
    let integrity: String = deployment.value("PRAGMA integrity_check").await;
    assert_eq!(integrity, "ok");
}
