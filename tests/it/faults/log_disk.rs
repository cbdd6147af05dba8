//! No room for the log, and for SQLite's database.

use serde_json::Value;

use super::{A_WHILE, wait_until};
use crate::support::deployment::Deployment;
use crate::support::eventually;
use crate::support::load::{Load, SETTINGS};
use crate::support::log_disk::Cramped;
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// Requests go on while the log cannot be written. That is told once on standard error each time,
/// and the log goes on when there is room again, with at most one line cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_only_log_lines() {
    let deployment = Deployment::embedded().await;
    let settings = [
        ("LOG_TO_FILE", "true"),
        ("LOG_FILE", "app.log"),
        ("LOG_FORMAT", "json"),
        ("LOG_LEVEL", "DEBUG"),
    ];
    let mut cramped = Cramped::spawn(deployment.variables(&settings)).await;
    let process = &cramped.process;
    let requests = async || {
        for _ in 0..30 {
            process.me().await;
        }
    };
    let told = || cramped.read("errors").matches("cannot write to").count();
    // More than SQLite's files ever have, so that nothing else is short of room.
    cramped.append("app.log", &"\n".repeat(6_000_000));
    for time in 1..=2 {
        requests().await;
        cramped.fill(cramped.size("app.log") + 100);
        requests().await;
        eventually("somebody to be told", async || {
            (told() == time).then_some(())
        })
        .await;
        requests().await;
        wait_until(process, 200, "ready", ("database", "ok")).await;
        assert_eq!(told(), time, "{}", cramped.read("errors"));

        cramped.make_room();
        let full = cramped.size("app.log");
        eventually("the log to go on", async || {
            requests().await;
            (cramped.size("app.log") > full + 1000).then_some(())
        })
        .await;
    }
    cramped.process.terminate().await;
    let log = cramped.read("app.log");
    let lines = log.lines().filter(|line| !line.is_empty());
    let (whole, torn): (Vec<_>, Vec<_>) =
        lines.partition(|line| serde_json::from_str::<Value>(line).is_ok());
    assert!(whole.len() > 100 && torn.len() <= 2, "{torn:?}");
    assert!(whole.last().unwrap().contains("server_stopped"));
}

/// Requests fail while SQLite cannot write, nothing is half done, and it goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_does_not_corrupt_sqlite() {
    let deployment = Deployment::embedded().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let variables = deployment.variables(&server.settings(SETTINGS));
    let cramped = Cramped::spawn(variables).await;
    let load = Load::start(&[&cramped.process], &server);
    load.go_on_for(A_WHILE).await;
    let data = deployment.path().join("data");
    let sizes = std::fs::read_dir(data).unwrap();
    let sizes = sizes.map(|entry| entry.unwrap().metadata().unwrap().len());
    cramped.fill(sizes.max().unwrap());
    load.go_on_for(A_WHILE).await;
    cramped.make_room();
    load.go_on_for(A_WHILE).await;
    let story = load.finish().await;
    assert!(story.failed > 0, "the fault was met");
    story.holds(&cramped.process, &server).await;
    wait_until(&cramped.process, 200, "ready", ("outbox", "ok")).await;
    let sound: String = deployment.value("PRAGMA integrity_check").await;
    assert_eq!(sound, "ok");
}
