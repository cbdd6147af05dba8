//! Mails are sent although the queue accepts jobs and never delivers them, or clocks differ.

use gatelodge::testing::app::{App, Role};
use gatelodge::testing::domain::clock::Clock;
use gatelodge::testing::domain::mail::MailKind;

use crate::support::app::TestApp;
use crate::support::deployment::Deployment;

use super::wait_until;

/// Asserts that a mail is sent without the queue, and that readiness reports the fault.
async fn assert_delivers_without_jobs(app: &TestApp) {
    app.request_signup_code("ada@example.com", "Ada").await;
    app.code(MailKind::SignupCode, "ada@example.com").await;
    wait_until(app, 200, "degraded", ("queue", "degraded")).await;
}

/// apalis stores its list of queues outside Gatelodge's prefix. A key of another type there stops
/// its workers.
#[tokio::test]
async fn mail_is_sent_although_a_foreign_key_stops_the_workers() {
    let deployment = Deployment::with_own_redis().await;
    let mut redis = deployment.redis.as_ref().unwrap().connect().await.unwrap();
    redis::cmd("SET")
        .arg(&["core:apalis:queues:list", "foreign"])
        .exec_async(&mut redis)
        .await
        .unwrap();
    assert_delivers_without_jobs(&deployment.start().await).await;
}

#[tokio::test]
async fn mail_is_sent_although_redis_permits_only_our_prefix() {
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
    assert_delivers_without_jobs(&app).await;
}

#[tokio::test]
async fn a_working_queue_is_reported_as_ok() {
    let deployment = Deployment::clustered().await;
    let app = deployment.start().await;
    app.request_signup_code("ada@example.com", "Ada").await;
    app.code(MailKind::SignupCode, "ada@example.com").await;
    wait_until(&app, 200, "ready", ("queue", "ok")).await;
}

/// Whether a mail is due depends on the database's clock, not on the worker's.
#[tokio::test]
async fn a_worker_whose_clock_is_behind_sends_immediately() {
    let deployment = Deployment::clustered().await;
    let serving = deployment.start_as(Role::Serve, &[]).await;
    let clock = Clock::wrong_by(chrono::Duration::seconds(-45));
    let config = deployment.config(&[]);
    let worker = App::build(config, Role::Work, clock.clone()).await;
    let worker = TestApp::run(worker.unwrap(), clock);
    serving.request_signup_code("ada@example.com", "Ada").await;
    // By the worker's clock, the mail would be due in 45 s, after this wait times out.
    worker.code(MailKind::SignupCode, "ada@example.com").await;
}
