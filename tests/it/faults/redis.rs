//! Redis killed, emptied and paused.

use std::ops::AsyncFnOnce;
use std::time::Duration;

use tokio::time::sleep;

use super::{A_WHILE, wait_until};
use crate::support::client::Client;
use crate::support::deployment::Deployment;
use crate::support::load::{Load, SETTINGS};
use crate::support::redis::RedisServer;
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// People go on at two processes while `fault` happens, without one request that fails, and
/// everything holds afterwards.
async fn survives(fault: impl AsyncFnOnce(&RedisServer, &Load, &Client)) {
    let deployment = Deployment::with_own_redis().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let settings = server.settings(SETTINGS);
    let one = deployment.spawn(&[], &settings).await;
    let other = deployment.spawn(&[], &settings).await;
    wait_until(&one, 200, "ready", ("redis", "ok")).await;
    let load = Load::start(&[&one, &other], &server);
    load.go_on_for(A_WHILE).await;
    fault(deployment.redis_server(), &load, &one).await;
    wait_until(&one, 200, "ready", ("redis", "ok")).await;
    load.go_on_for(A_WHILE).await;
    let story = load.finish().await;
    assert_eq!(story.failed, 0, "nothing needs Redis");
    story.holds(&one, &server).await;
    story.holds(&other, &server).await;
}

/// Redis dies and comes back with nothing of what it knew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_redis_restart() {
    survives(async |redis, load, client| {
        redis.kill();
        wait_until(client, 200, "degraded", ("redis", "failing")).await;
        load.go_on_for(A_WHILE).await;
        redis.restart().await;
    })
    .await;
}

/// Redis hangs, and goes on with what it knew: what was ended meanwhile stays ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_paused_redis() {
    survives(async |redis, load, client| {
        redis.pause();
        wait_until(client, 200, "degraded", ("redis", "failing")).await;
        load.go_on_for(A_WHILE / 2).await;
        sleep(Duration::from_secs(3)).await;
        redis.resume();
    })
    .await;
}
