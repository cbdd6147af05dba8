//! Redis is killed or paused under load.

use std::ops::AsyncFnOnce;

use super::{SOME_REQUESTS, wait_until};
use crate::support::client::Client;
use crate::support::deployment::Deployment;
use crate::support::load::{Load, SETTINGS};
use crate::support::redis::RedisServer;
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// Runs `fault` under load on two processes. No request may fail.
async fn survives(fault: impl AsyncFnOnce(&RedisServer, &Load, &Client)) {
    let deployment = Deployment::with_own_redis().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let settings = server.settings(SETTINGS);
    let one = deployment.spawn(&[], &settings).await;
    let other = deployment.spawn(&[], &settings).await;
    wait_until(&one, 200, "ready", ("redis", "ok")).await;
    let load = Load::start(&[&one, &other], &server);
    load.wait_for_requests(SOME_REQUESTS).await;
    fault(deployment.redis_server(), &load, &one).await;
    wait_until(&one, 200, "ready", ("redis", "ok")).await;
    load.wait_for_requests(SOME_REQUESTS).await;
    let report = load.finish().await;
    assert_eq!(report.failed, 0, "no request needs Redis");
    report.assert_consistent(&one, &server).await;
    report.assert_consistent(&other, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_killed_redis() {
    survives(async |redis, load, client| {
        redis.kill();
        wait_until(client, 200, "degraded", ("redis", "failing")).await;
        load.wait_for_requests(SOME_REQUESTS).await;
        redis.restart().await;
    })
    .await;
}

/// Redis resumes with its old data. Sessions revoked in the meantime stay revoked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_paused_redis() {
    survives(async |redis, load, client| {
        redis.pause();
        wait_until(client, 200, "degraded", ("redis", "failing")).await;
        load.wait_for_requests(SOME_REQUESTS / 2).await;
        redis.resume();
    })
    .await;
}
