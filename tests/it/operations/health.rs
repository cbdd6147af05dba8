//! Health checks: `/healthz`, `/readyz` and `gatelodge healthcheck`.

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

/// Waits until `/readyz` reports these statuses: overall, database, Redis, worker, outbox.
async fn wait_for(client: &Client, expected: [&str; 5]) -> Response {
    eventually(&format!("{expected:?}"), async || {
        let response = ready(client).await;
        (statuses(&response.json()) == expected).then_some(response)
    })
    .await
}

fn statuses(body: &Value) -> [String; 5] {
    let status = |value: &Value| value["status"].as_str().unwrap().to_owned();
    [
        status(body),
        status(&body["database"]),
        status(&body["redis"]),
        status(&body["worker"]),
        status(&body["outbox"]),
    ]
}

const READY: [&str; 5] = ["ready", "ok", "ok", "ok", "ok"];

on_both_deployments! {
    async fn a_healthy_process_is_ready(deployment: Deployment) {
        let app = deployment.start().await;
        let alive = Response::of(app.request(Method::GET, "/healthz")).await;
        assert_eq!((alive.status, alive.json()), (StatusCode::OK, json!({ "status": "alive" })));
        let ready = wait_for(&app, READY).await;
        assert_eq!(ready.status, StatusCode::OK);
        let ready = ready.json();
        assert!(ready["database"]["answer_ms"].is_u64(), "{ready}");
        assert_eq!(ready["redis"]["used"], deployment.redis.is_some(), "{ready}");
        assert!(ready["worker"]["seen_seconds_ago"].is_i64(), "{ready}");
        assert_eq!(ready["outbox"]["lag_seconds"], 0, "{ready}");
        for path in ["/healthz", "/readyz"] {
            assert_eq!(Response::of(app.request(Method::POST, path)).await.status, StatusCode::METHOD_NOT_ALLOWED);
        }
    }

    /// A process without a worker reports whether another process has one that sent a heartbeat
    /// recently. Without one, it is degraded but still receives requests.
    async fn every_process_reports_a_missing_worker(deployment: Deployment) {
        let serving = deployment.start_as(Role::Serve, &[]).await;
        let none = wait_for(&serving, ["degraded", "ok", "ok", "degraded", "ok"]).await;
        assert_eq!(none.status, StatusCode::OK);
        assert_eq!(none.json()["worker"]["seen_seconds_ago"], Value::Null);

        let worker = deployment.start_as(Role::Work, &[("METRICS_PORT", "0")]).await;
        wait_for(&serving, READY).await;
        wait_for(worker.metrics_client.as_ref().unwrap(), READY).await;
        worker.stop().await;
        deployment.clock.advance(chrono::Duration::minutes(2));
        let gone = wait_for(&serving, ["degraded", "ok", "ok", "degraded", "ok"]).await.json();
        assert!(gone["worker"]["seen_seconds_ago"].as_i64().unwrap() >= 120, "{gone}");
    }

    async fn readiness_reports_overdue_mail(deployment: Deployment) {
        let serving = deployment.start_as(Role::Serve, &[("CODE_EXPIRATION_MINUTES", "60")]).await;
        serving.request_signup_code(ADA, "Ada").await;
        let fresh = ready(&serving).await.json();
        assert_eq!(fresh["outbox"]["status"], "ok", "{fresh}");
        deployment.clock.advance(chrono::Duration::minutes(5));
        let late = wait_for(&serving, ["degraded", "ok", "ok", "degraded", "degraded"]).await;
        assert_eq!(late.status, StatusCode::OK);
        assert!(late.json()["outbox"]["lag_seconds"].as_i64().unwrap() >= 300);

        let worker = deployment.start_as(Role::Work, &[]).await;
        worker.mail(MailKind::SignupCode, ADA).await;
        wait_for(&serving, READY).await;
    }

    async fn old_heartbeats_are_deleted(deployment: Deployment) {
        for _ in 0..3 {
            let worker = deployment.start_as(Role::Work, &[("METRICS_PORT", "0")]).await;
            wait_for(worker.metrics_client.as_ref().unwrap(), READY).await;
            eventually("only the new heartbeat", async || {
                (deployment.count("worker_heartbeats").await == 1).then_some(())
            })
            .await;
            worker.stop().await;
            deployment.clock.advance(chrono::Duration::minutes(11));
        }
    }
}

/// Without PostgreSQL, `/readyz` has a status that makes a load balancer stop sending requests. The
/// outage and its end are logged once each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_reports_a_lost_database() {
    let deployment = Deployment::clustered().await;
    let app = deployment.spawn(&[], &[("LOG_FORMAT", "json")]).await;
    wait_for(&app, READY).await;
    let name = deployment.variables(&[])["DATABASE_URL"]
        .rsplit_once('/')
        .unwrap()
        .1
        .to_owned();
    let server = deployment.server_database().await;
    let allow_connections =
        |allow: bool| format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allow}");
    server
        .execute_unprepared(&allow_connections(false))
        .await
        .unwrap();
    let terminate =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    server.execute_unprepared(&terminate).await.unwrap();
    let expected = ["failing", "failing", "ok", "unknown", "unknown"];
    let failing = wait_for(&app, expected).await;
    assert_eq!(failing.status, StatusCode::SERVICE_UNAVAILABLE);
    let alive = Response::of(app.request(Method::GET, "/healthz")).await;
    assert_eq!(alive.status, StatusCode::OK);
    app.wait_for("database_unavailable").await;

    server
        .execute_unprepared(&allow_connections(true))
        .await
        .unwrap();
    wait_for(&app, READY).await;
    app.wait_for("database_available").await;
    let log = app.output();
    let logged: Vec<_> = log
        .lines()
        .filter(|line| line.contains("\"database_"))
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["event"].clone(), line["level"].clone())
        })
        .collect();
    assert_eq!(
        logged,
        [
            (json!("database_unavailable"), json!(60)),
            (json!("database_available"), json!(30)),
        ]
    );
}

/// Without Redis, a process is degraded but still receives requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_reports_a_lost_redis() {
    let deployment = Deployment::with_own_redis().await;
    let app = deployment.start().await;
    wait_for(&app, READY).await;
    deployment.redis_server().kill();
    let degraded = wait_for(&app, ["degraded", "ok", "failing", "ok", "ok"]).await;
    assert_eq!(degraded.status, StatusCode::OK);
    deployment.redis_server().restart().await;
    wait_for(&app, READY).await;
}

/// `healthcheck --worker` uses the metrics port, the only port that a worker listens on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_finds_the_worker() {
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
