//! A queue that takes jobs and never delivers them, and clocks that differ: mail arrives all the same.

use gatelodge::testing::app::{App, Role};
use gatelodge::testing::domain::clock::Clock;
use gatelodge::testing::domain::mail::MailKind;

use crate::support::app::TestApp;
use crate::support::deployment::Deployment;

use super::wait_until;

/// Mail arrives although workers receive no jobs, and readiness reports it.
async fn delivers_without_jobs(app: &TestApp) {
    app.request_signup_code("ada@example.com", "Ada").await;
    app.code(MailKind::SignupCode, "ada@example.com").await;
    wait_until(app, 200, "degraded", ("queue", "degraded")).await;
}

/// apalis keeps its list of queues outside Gatelodge's prefix. A key of another type there stops
/// its workers.
#[tokio::test]
async fn mail_arrives_although_a_foreign_key_stops_the_workers() {
    let deployment = Deployment::with_own_redis().await;
    let mut redis = deployment.redis.as_ref().unwrap().connect().await.unwrap();
    redis::cmd("SET")
        .arg(&["core:apalis:queues:list", "foreign"])
        .exec_async(&mut redis)
        .await
        .unwrap();
    delivers_without_jobs(&deployment.start().await).await;
}

/// A Redis user that may only use Gatelodge's prefix.
#[tokio::test]
async fn mail_arrives_although_redis_permits_only_our_prefix() {
    let deployment = Deployment::with_own_redis().await;
    let server = deployment.redis.as_ref().unwrap();
    let mut redis = server.connect().await.unwrap();
    redis::cmd("ACL")
        .arg(&[
            "SETUSER",
            "limited",
            "on",
            ">secret",
            "~gatelodge:*",
            "+@all",
        ])
        .exec_async(&mut redis)
        .await
        .unwrap();
    let url = server.url().replace("redis://", "redis://limited:secret@");
    let app = deployment.start_with(&[("REDIS_URL", &url)]).await;
    delivers_without_jobs(&app).await;
}

/// A queue that works is reported as such.
#[tokio::test]
async fn a_queue_that_delivers_is_ok() {
    let deployment = Deployment::clustered().await;
    let app = deployment.start().await;
    app.request_signup_code("ada@example.com", "Ada").await;
    app.code(MailKind::SignupCode, "ada@example.com").await;
    wait_until(&app, 200, "ready", ("queue", "ok")).await;
}

/// A mail is due by the database's clock, so a worker whose clock is 45 s behind sends it
/// immediately.
#[tokio::test]
async fn a_worker_whose_clock_is_behind_sends_immediately() {
    let deployment = Deployment::clustered().await;
    let serving = deployment.start_as(Role::Serve, &[]).await;
    let clock = Clock::wrong_by(chrono::Duration::seconds(-45));
    let config = deployment.config(&[]);
    let worker = App::build(config, Role::Work, clock.clone()).await;
    let worker = TestApp::run(worker.unwrap(), clock);
    serving.request_signup_code("ada@example.com", "Ada").await;
    // In the mailbox of the worker. Nothing would arrive before 45 s if its own clock decided.
    worker.code(MailKind::SignupCode, "ada@example.com").await;
}
