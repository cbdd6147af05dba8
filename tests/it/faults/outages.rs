//! Redis away, stuck, wiped and back: requests and mails go on.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::Client;
use crate::support::deployment::Deployment;
use crate::support::eventually;
use crate::support::outbox::Outbox;
use crate::support::redis::RedisServer;
use crate::support::smtp::{SmtpOptions, SmtpServer};

const ADA: &str = "ada@example.com";
/// What a request may cost when each of cache, limiter and queue finds out that Redis is stuck.
const QUICKLY: Duration = Duration::from_secs(4);

/// Signs up and sees itself, each answer within [`QUICKLY`].
async fn sign_up(client: &Client, server: &SmtpServer, address: &str) {
    let begun = Instant::now();
    let requested = client.request_signup_code(address, "Ada").await;
    assert_eq!(requested["errors"], json!([]));
    assert!(begun.elapsed() < QUICKLY, "{:?}", begun.elapsed());
    let code = server.mail_to(address).await.code();
    let begun = Instant::now();
    let verified = client.verify_signup_code(address, &code).await;
    let token = verified["session"]["accessToken"].as_str().unwrap();
    assert_eq!(client.with_token(token).me().await["email"], address);
    assert!(begun.elapsed() < QUICKLY, "{:?}", begun.elapsed());
}

/// How many workers have told Redis of themselves.
async fn registered_workers(redis: &RedisServer) -> usize {
    let mut connection = redis.connect().await.unwrap();
    let mut command = redis::cmd("ZCARD");
    let workers = command.arg("gatelodge:mail:workers");
    workers.query_async(&mut connection).await.unwrap()
}

/// Without Redis requests succeed, quickly, and mails arrive: the sweeper reads the database.
/// A Redis that comes back is used again.
#[tokio::test(flavor = "multi_thread")]
async fn without_redis_everything_goes_on() {
    let mut deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let process = deployment.spawn(&[], &server.settings(&[])).await;
    sign_up(&process, &server, "before@example.com").await;
    deployment.redis.as_mut().unwrap().kill();
    sign_up(&process, &server, "without@example.com").await;
    process.wait_for("queue_unavailable").await;

    let redis = deployment.redis.as_mut().unwrap();
    redis.start_again().await;
    process.wait_for("queue_available").await;
    eventually("workers on the new Redis", async || {
        (registered_workers(redis).await > 0).then_some(())
    })
    .await;
    sign_up(&process, &server, "after@example.com").await;
    assert_eq!(server.count(), 3);
}

/// A process starts although Redis is not there yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_starts_without_redis() {
    let mut deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    deployment.redis.as_mut().unwrap().kill();
    let process = deployment.spawn(&[], &server.settings(&[])).await;
    sign_up(&process, &server, ADA).await;
}

/// A Redis that takes connections and never answers delays a request by little, and no mail is
/// lost or doubled.
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_redis_holds_nobody_up() {
    let deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let process = deployment.spawn(&[], &server.settings(&[])).await;
    sign_up(&process, &server, "before@example.com").await;
    let redis = deployment.redis.as_ref().unwrap();
    redis.pause();
    sign_up(&process, &server, "meanwhile@example.com").await;
    redis.resume();
    process.wait_for("queue_available").await;
    sign_up(&process, &server, "after@example.com").await;
    assert_eq!(server.count(), 3);
}

/// Mails whose jobs Redis lost are delivered.
#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_queue_loses_no_mail() {
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

/// The same while a worker runs, and holds a mail.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_wiped_in_mid_send_loses_and_doubles_no_mail() {
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
