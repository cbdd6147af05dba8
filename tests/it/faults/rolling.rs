//! Rolling updates.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{SOME_REQUESTS, wait_until};
use crate::support::TIMEOUT;
use crate::support::deployment::Deployment;
use crate::support::load::{Load, SETTINGS};
use crate::support::outbox::Outbox;
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// Replaces two servers and two workers: no request fails and no mail is sent twice.
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
    load.wait_for_requests(SOME_REQUESTS).await;
    for _ in 0..2 {
        let new = serve().await;
        load.set_servers(&[&servers[0], &servers[1], &new]);
        load.wait_for_requests(SOME_REQUESTS / 4).await;
        // Clients still send requests to it until it has exited.
        let status = servers[0].terminate().await;
        assert_eq!(status.code(), Some(0));
        load.set_servers(&[&servers[1], &new]);
        servers.remove(0);
        servers.push(new);

        workers.push(work().await);
        let status = workers.remove(0).terminate().await;
        assert_eq!(status.code(), Some(0));
        load.wait_for_requests(SOME_REQUESTS / 4).await;
        let (status, ..) = super::readiness(&servers[0], "worker").await;
        assert_eq!(status, 200);
    }
    let report = load.finish().await;
    assert_eq!(report.failed, 0, "a request failed");
    report.assert_consistent(&servers[0], &server).await;
    wait_until(&servers[1], 200, "ready", ("worker", "ok")).await;
    let outbox = Outbox::of(&deployment).await;
    let repeated = outbox.rows_where("attempts > 1").await;
    assert!(repeated.is_empty(), "{repeated:?}");
}

/// Connections that the process had not accepted before SIGTERM are served, also if the request
/// follows after the shutdown has begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pending_connections_are_served_during_shutdown() {
    const CLIENTS: usize = 20;
    let deployment = Deployment::clustered().await;
    let mut process = deployment.spawn(&["serve", "--no-worker"], &[]).await;
    let address = process.address().to_owned();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: 25\r\n\r\n{{\"query\":\"{{ me {{ id }} }}\"}}"
    );
    process.signal("STOP");
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = TcpStream::connect(&address).await.unwrap();
        if number % 2 == 0 {
            client.write_all(request.as_bytes()).await.unwrap();
        }
        clients.push(client);
    }
    process.signal("TERM");
    process.signal("CONT");
    process.wait_for("server_stopping").await;
    for (number, client) in clients.iter_mut().enumerate() {
        if number % 2 == 1 {
            client.write_all(request.as_bytes()).await.unwrap();
        }
    }
    for client in &mut clients {
        let mut response = String::new();
        let read = client.read_to_string(&mut response);
        let read = tokio::time::timeout(TIMEOUT, read).await;
        assert!(read.is_ok_and(|read| read.is_ok()), "{response}");
        assert!(response.ends_with(r#"{"data":{"me":null}}"#), "{response}");
    }
    assert_eq!(process.wait_for_exit().await.code(), Some(0));
}
