//! What machines ask to know whether a process is well.

use gatelodge::testing::app::Role;
use gatelodge::testing::domain::mail::MailKind;
use reqwest::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::client::{Client, Response};
use crate::support::deployment::Deployment;
use crate::support::process::{command, output};
use crate::support::{eventually, free_port, on_both_deployments};

const ADA: &str = "ada@example.com";

async fn ready(client: &Client) -> Response {
    Response::of(client.request(Method::GET, "/readyz")).await
}

/// Waits until readiness has these words: the whole, then database, Redis, worker and outbox.
async fn wait_for(client: &Client, words: [&str; 5]) -> Response {
    eventually(&format!("{words:?}"), async || {
        let response = ready(client).await;
        (statuses(&response.json()) == words).then_some(response)
    })
    .await
}

fn statuses(body: &Value) -> [String; 5] {
    let parts = ["database", "redis", "worker", "outbox"].map(|part| &body[part]["status"]);
    let [database, redis, worker, outbox] = parts;
    [&body["status"], database, redis, worker, outbox].map(|word| word.as_str().unwrap().to_owned())
}

const WELL: [&str; 5] = ["ready", "ok", "ok", "ok", "ok"];

on_both_deployments! {
    /// A process that answers is alive, and ready while its parts answer, each with its figures.
    async fn a_healthy_process_is_ready(deployment: Deployment) {
        let app = deployment.start().await;
        let alive = Response::of(app.request(Method::GET, "/healthz")).await;
        assert_eq!((alive.status, alive.json()), (StatusCode::OK, json!({ "status": "alive" })));
        let well = wait_for(&app, WELL).await;
        assert_eq!(well.status, StatusCode::OK);
        let well = well.json();
        assert!(well["database"]["answer_ms"].is_u64(), "{well}");
        assert_eq!(well["redis"]["used"], deployment.redis.is_some(), "{well}");
        assert!(well["worker"]["seen_seconds_ago"].as_i64().unwrap() < 20, "{well}");
        assert_eq!(well["outbox"]["lag_seconds"], 0, "{well}");
        for path in ["/healthz", "/readyz"] {
            assert_eq!(Response::of(app.request(Method::POST, path)).await.status, StatusCode::METHOD_NOT_ALLOWED);
        }
    }

    /// A process without a worker asks the database for one: with none, or with one that has not
    /// been seen for a while, mail waits, which is told and keeps no request away.
    async fn every_process_reports_a_missing_worker(deployment: Deployment) {
        let serving = deployment.start_as(Role::Serve, &[]).await;
        let none = wait_for(&serving, ["degraded", "ok", "ok", "degraded", "ok"]).await;
        assert_eq!(none.status, StatusCode::OK);
        assert_eq!(none.json()["worker"]["seen_seconds_ago"], Value::Null);

        let worker = deployment.start_as(Role::Work, &[("METRICS_PORT", "0")]).await;
        wait_for(&serving, WELL).await;
        wait_for(worker.metrics_client.as_ref().unwrap(), WELL).await;
        worker.stop().await;
        deployment.clock.advance(chrono::Duration::minutes(2));
        let gone = wait_for(&serving, ["degraded", "ok", "ok", "degraded", "ok"]).await.json();
        assert!(gone["worker"]["seen_seconds_ago"].as_i64().unwrap() >= 120, "{gone}");
    }

    /// Mail that nobody sends is told once it is late, and no more when it is sent.
    async fn readiness_reports_overdue_mail(deployment: Deployment) {
        let serving = deployment.start_as(Role::Serve, &[("CODE_EXPIRATION_MINUTES", "60")]).await;
        serving.request_signup_code(ADA, "Ada").await;
        let young = ready(&serving).await.json();
        assert_eq!(young["outbox"]["status"], "ok", "{young}");
        deployment.clock.advance(chrono::Duration::minutes(5));
        let late = wait_for(&serving, ["degraded", "ok", "ok", "degraded", "degraded"]).await;
        assert_eq!(late.status, StatusCode::OK);
        assert!(late.json()["outbox"]["lag_seconds"].as_i64().unwrap() >= 300);

        let worker = deployment.start_as(Role::Work, &[]).await;
        worker.mail(MailKind::SignupCode, ADA).await;
        wait_for(&serving, WELL).await;
    }

    /// Signs of life of processes that are long gone are removed by those that live.
    async fn old_heartbeats_are_deleted(deployment: Deployment) {
        for _ in 0..3 {
            let worker = deployment.start_as(Role::Work, &[("METRICS_PORT", "0")]).await;
            wait_for(worker.metrics_client.as_ref().unwrap(), WELL).await;
            worker.stop().await;
            deployment.clock.advance(chrono::Duration::minutes(11));
        }
        assert_eq!(deployment.count("worker_heartbeats").await, 1);
    }
}

/// When PostgreSQL is gone, the process says so with a status that takes it out of the balancer,
/// tells the log once, and comes back by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_reports_a_lost_database() {
    let deployment = Deployment::clustered().await;
    let app = deployment.spawn(&[], &[("LOG_FORMAT", "json")]).await;
    wait_for(&app, WELL).await;
    let name = deployment.variables(&[])["DATABASE_URL"]
        .rsplit_once('/')
        .unwrap()
        .1
        .to_owned();
    let server = deployment.server_database().await;
    let refuse = |allow: bool| format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allow}");
    server.execute_unprepared(&refuse(false)).await.unwrap();
    let end =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    server.execute_unprepared(&end).await.unwrap();
    let gone = ["failing", "failing", "ok", "unknown", "unknown"];
    let failing = wait_for(&app, gone).await;
    assert_eq!(failing.status, StatusCode::SERVICE_UNAVAILABLE);
    let alive = Response::of(app.request(Method::GET, "/healthz")).await;
    assert_eq!(alive.status, StatusCode::OK);
    app.wait_for("database_unavailable").await;

    server.execute_unprepared(&refuse(true)).await.unwrap();
    wait_for(&app, WELL).await;
    app.wait_for("database_available").await;
    let log = app.output();
    let told: Vec<Value> = log
        .lines()
        .filter(|line| line.contains("\"database_"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = told
        .iter()
        .map(|line| {
            (
                line["event"].as_str().unwrap(),
                line["level"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("database_unavailable", 60), ("database_available", 30)]
    );
}

/// Without Redis a process goes on alone: it stays in the balancer, and says that it is degraded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_process_is_degraded_but_ready() {
    let deployment = Deployment::with_own_redis().await;
    let app = deployment.start().await;
    wait_for(&app, WELL).await;
    deployment.redis_server().kill();
    let degraded = wait_for(&app, ["degraded", "ok", "failing", "ok", "ok"]).await;
    assert_eq!(degraded.status, StatusCode::OK);
    deployment.redis_server().restart().await;
    wait_for(&app, WELL).await;
}

/// The container's check works for a worker too, which listens for nothing but this.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_can_be_checked_from_its_container() {
    let deployment = Deployment::embedded().await;
    let port = free_port().to_string();
    let settings = [("METRICS_PORT", port.as_str())];
    let (variables, without) = (deployment.variables(&settings), deployment.variables(&[]));
    let check = async |arguments: &[&str], variables| {
        let mut check = command(deployment.path(), variables);
        check.args(arguments);
        output(check).await.status.code()
    };
    let arguments = ["healthcheck", "--worker"];
    assert_eq!(check(&arguments, &variables).await, Some(1));
    let mut worker = deployment.spawn(&["worker"], &settings).await;
    worker.wait_for("metrics_started").await;
    assert_eq!(check(&arguments, &variables).await, Some(0));
    assert_eq!(check(&arguments, &without).await, Some(1));
    worker.kill();
    assert_eq!(check(&arguments, &variables).await, Some(1));
}
