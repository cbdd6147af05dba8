//! Processes replaced one after another.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{A_WHILE, wait_until};
use crate::support::deployment::Deployment;
use crate::support::load::{Load, SETTINGS};
use crate::support::outbox::Outbox;
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// Two servers and two workers replaced under load: no request fails, no mail is doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_rolling_update_under_load() {
    let deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let settings = server.settings(SETTINGS);
    let serve = async || deployment.spawn(&["serve", "--no-worker"], &settings).await;
    let work = async || deployment.spawn(&["worker"], &settings).await;
    let (mut servers, mut workers) = (vec![serve().await, serve().await], vec![]);
    for _ in 0..2 {
        workers.push(work().await);
    }
    let load = Load::start(&[&servers[0], &servers[1]], &server);
    load.go_on_for(A_WHILE).await;
    for _ in 0..2 {
        let new = serve().await;
        load.set_doors(&[&servers[0], &servers[1], &new]);
        load.go_on_for(A_WHILE / 4).await;
        // Still asked, until it has ended.
        let ended = servers[0].terminate().await;
        assert_eq!(ended.code(), Some(0));
        load.set_doors(&[&servers[1], &new]);
        servers.remove(0);
        servers.push(new);

        workers.push(work().await);
        let ended = workers.remove(0).terminate().await;
        assert_eq!(ended.code(), Some(0));
        load.go_on_for(A_WHILE / 4).await;
        let (status, ..) = super::readiness(&servers[0], "worker").await;
        assert_eq!(status, 200);
    }
    let story = load.finish().await;
    assert_eq!(story.failed, 0, "a request failed");
    story.holds(&servers[0], &server).await;
    wait_until(&servers[1], 200, "ready", ("worker", "ok")).await;
    let outbox = Outbox::of(&deployment).await;
    let again = outbox.rows_where("attempts > 1").await;
    assert!(again.is_empty(), "{again:?}");
}

/// Whoever was connected when the process was told to end is served, even if nobody had come to
/// look yet, and also if the request follows a moment later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_connections_are_served_during_shutdown() {
    const CALLERS: usize = 20;
    let deployment = Deployment::clustered().await;
    let mut process = deployment.spawn(&["serve", "--no-worker"], &[]).await;
    let address = process.address().to_owned();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: 25\r\n\r\n{{\"query\":\"{{ me {{ id }} }}\"}}"
    );
    process.signal("STOP");
    let mut callers = Vec::new();
    for number in 0..CALLERS {
        let mut caller = TcpStream::connect(&address).await.unwrap();
        if number % 2 == 0 {
            caller.write_all(request.as_bytes()).await.unwrap();
        }
        callers.push(caller);
    }
    process.signal("TERM");
    process.signal("CONT");
    process.wait_for("server_stopping").await;
    for (number, caller) in callers.iter_mut().enumerate() {
        if number % 2 == 1 {
            caller.write_all(request.as_bytes()).await.unwrap();
        }
    }
    for caller in &mut callers {
        let mut answer = String::new();
        let read = caller.read_to_string(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(5), read).await;
        assert!(read.is_ok_and(|read| read.is_ok()), "{answer}");
        assert!(answer.ends_with(r#"{"data":{"me":null}}"#), "{answer}");
    }
    assert_eq!(process.wait_for_exit().await.code(), Some(0));
}
