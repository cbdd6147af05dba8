//! Redis is killed, paused or emptied: requests succeed and mails are delivered.

use std::time::Duration;

use serde_json::json;

use crate::support::client::Client;
use crate::support::deployment::Deployment;
use crate::support::eventually;
use crate::support::outbox::Outbox;
use crate::support::redis::RedisDatabase;
use crate::support::smtp::{SmtpOptions, SmtpServer};

const ADA: &str = "ada@example.com";

/// Signs up and reads `me`.
async fn sign_up(client: &Client, server: &SmtpServer, address: &str) {
    let requested = client.request_signup_code(address, "Ada").await;
    assert_eq!(requested["errors"], json!([]));
    let code = server.mail_to(address).await.code();
    let verified = client.verify_signup_code(address, &code).await;
    let token = verified["session"]["accessToken"].as_str().unwrap();
    assert_eq!(client.with_token(token).me().await["email"], address);
}

/// The number of workers registered in Redis.
async fn registered_workers(redis: &RedisDatabase) -> usize {
    let mut connection = redis.connect().await.unwrap();
    let mut command = redis::cmd("ZCARD");
    let workers = command.arg("gatelodge:mail:workers");
    workers.query_async(&mut connection).await.unwrap()
}

/// Without Redis, the sweeper finds mails in the database. A restarted Redis is used again.
#[tokio::test(flavor = "multi_thread")]
async fn requests_and_mail_continue_without_redis() {
    let deployment = Deployment::with_own_redis().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let process = deployment.spawn(&[], &server.settings(&[])).await;
    sign_up(&process, &server, "before@example.com").await;
    deployment.redis_server().kill();
    sign_up(&process, &server, "without@example.com").await;
    process.wait_for("queue_unavailable").await;

    let redis = deployment.redis_server();
    redis.restart().await;
    process.wait_for("queue_available").await;
    eventually("workers to register in Redis", async || {
        (registered_workers(redis).await > 0).then_some(())
    })
    .await;
    sign_up(&process, &server, "after@example.com").await;
    assert_eq!(server.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_starts_without_redis() {
    let deployment = Deployment::with_own_redis().await;
    let server = SmtpServer::start(SmtpOptions::default());
    deployment.redis_server().kill();
    let process = deployment.spawn(&[], &server.settings(&[])).await;
    sign_up(&process, &server, ADA).await;
}

/// Redis accepts connections but does not respond. No mail is lost or sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn requests_and_mail_continue_while_redis_hangs() {
    let deployment = Deployment::with_own_redis().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let process = deployment.spawn(&[], &server.settings(&[])).await;
    sign_up(&process, &server, "before@example.com").await;
    let redis = deployment.redis_server();
    redis.pause();
    sign_up(&process, &server, "meanwhile@example.com").await;
    redis.resume();
    process.wait_for("queue_available").await;
    sign_up(&process, &server, "after@example.com").await;
    assert_eq!(server.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_queue_loses_no_mail() {
    let deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let settings = server.settings(&[]);
    let serving = deployment.spawn(&["serve", "--no-worker"], &settings).await;
    let addresses: Vec<String> = (0..5).map(|n| format!("user{n}@example.com")).collect();
    for address in &addresses {
        serving.request_signup_code(address, "Ada").await;
    }
    let redis = deployment.redis.as_ref().unwrap();
    assert!(!redis.keys("gatelodge:mail:data").await.is_empty());
    redis.flush().await;

    let _worker = deployment.spawn(&["worker"], &settings).await;
    for address in &addresses {
        let code = server.mail_to(address).await.code();
        let verified = serving.verify_signup_code(address, &code).await;
        assert_eq!(verified["session"]["user"]["email"], address.as_str());
    }
    assert_eq!(server.count(), addresses.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_emptied_during_a_send_neither_loses_nor_duplicates_mail() {
    let deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions {
        delay: Duration::from_secs(1),
        ..SmtpOptions::default()
    });
    let process = deployment.spawn(&[], &server.settings(&[])).await;
    let outbox = Outbox::of(&deployment).await;
    process.request_signup_code(ADA, "Ada").await;
    outbox.wait_until(ADA, "leased", |row| row.is_leased).await;
    deployment.redis.as_ref().unwrap().flush().await;
    assert_eq!(outbox.wait_for_state(ADA, "sent").await.attempts, 1);
    sign_up(&process, &server, "after@example.com").await;
    assert_eq!(server.count(), 2);
}
