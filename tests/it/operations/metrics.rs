//! Metrics for Prometheus.

use std::collections::BTreeMap;

use gatelodge::testing::app::{App, Role};
use gatelodge::testing::domain::mail::MailKind;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::client::{Client, Response};
use crate::support::deployment::Deployment;
use crate::support::flow::wrong_code;
use crate::support::smtp::{SmtpOptions, SmtpServer};
use crate::support::{eventually, free_port, on_both_deployments};

const ADA: &str = "ada@example.com";
const METRICS: [(&str, &str); 1] = [("METRICS_PORT", "0")];

/// The samples of a scrape, by name and labels.
struct Samples(BTreeMap<String, f64>);

impl Samples {
    async fn of(client: &Client) -> Self {
        let response = Response::of(client.request(Method::GET, "/metrics")).await;
        assert_eq!(response.status, StatusCode::OK);
        let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(response.header("content-type"), Some(format));
        assert!(response.text.ends_with("# EOF\n"), "{}", response.text);
        assert_eq!(response.text.matches("# EOF").count(), 1);
        let lines = response.text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        Self(samples.collect())
    }

    fn get(&self, sample: &str) -> f64 {
        let found = self.0.get(&format!("gatelodge_{sample}"));
        *found.unwrap_or_else(|| panic!("no {sample} in {:#?}", self.0.keys()))
    }

    #[track_caller]
    fn assert(&self, sample: &str, value: f64) {
        let found = self.get(sample);
        assert!((found - value).abs() < 1e-9, "{sample} is {found}");
    }
}

on_both_deployments! {
    /// Labels contain no values from requests.
    async fn operations_are_counted(deployment: Deployment) {
        let app = deployment.start_with(&METRICS).await;
        let metrics_client = app.metrics_client.clone().unwrap();
        app.request_signup_code(ADA, "Ada").await;
        let code = app.code(MailKind::SignupCode, ADA).await;
        app.verify_signup_code(ADA, &wrong_code(&code, 0)).await;
        let session = app.verify_signup_code(ADA, &code).await["session"].clone();
        let me = app.with_token(session["accessToken"].as_str().unwrap());
        for _ in 0..3 {
            assert_eq!(me.me().await["email"], ADA);
        }
        app.post("{ nope }", json!({})).await;
        app.post("query($secret: String) { other_canary(a: $secret) }", json!({})).await;
        Response::of(app.request(Method::GET, "/no/such/path-canary")).await;

        let samples = eventually("the mail to be counted", async || {
            let samples = Samples::of(&metrics_client).await;
            samples.0.contains_key("gatelodge_mails_total{kind=\"signup_code\",outcome=\"sent\",provider=\"mock\"}").then_some(samples)
        })
        .await;
        samples.assert("mails_total{kind=\"signup_code\",outcome=\"sent\",provider=\"mock\"}", 1.0);
        samples.assert("mail_send_duration_seconds_count{provider=\"mock\",outcome=\"sent\"}", 1.0);
        samples.assert("mail_tries_bucket{le=\"1.0\",outcome=\"sent\"}", 1.0);
        samples.assert("http_request_duration_seconds_count{route=\"page\",status=\"4xx\"}", 1.0);
        samples.assert("http_request_duration_seconds_count{route=\"graphql\",status=\"2xx\"}", 8.0);
        for (field, times) in [("requestSignupCode", 1.0), ("verifySignupCode", 2.0), ("me", 3.0), ("other", 2.0)] {
            samples.assert(&format!("graphql_operation_duration_seconds_count{{field=\"{field}\"}}"), times);
        }
        samples.assert("limiter_decisions_total{rule=\"code_requests\",decision=\"allowed\"}", 1.0);
        samples.assert("limiter_decisions_total{rule=\"wrong_codes_per_ip\",decision=\"allowed\"}", 2.0);
        samples.assert("database_up", 1.0);
        assert!(samples.get("database_connections") >= 1.0);
        assert!(samples.get("database_connections_max") >= samples.get("database_connections"));
        samples.assert("outbox_mails{state=\"due\"}", 0.0);
        samples.assert("outbox_mails{state=\"dead\"}", 0.0);
        samples.assert("outbox_lag_seconds", 0.0);
        samples.assert("password_hashes_waiting", 0.0);
        assert!(samples.get("queue_waiting") >= 0.0);
        assert!(samples.get("worker_age_seconds") >= 0.0);
        samples.assert("worker_restarts_total", 0.0);
        samples.assert(&format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0);
        assert!(samples.0["process_start_time_seconds"] > 1e9);
        if deployment.redis.is_some() {
            samples.assert("redis_up", 1.0);
            samples.assert("session_cache_lookups_total{result=\"miss\"}", 1.0);
            samples.assert("session_cache_lookups_total{result=\"hit\"}", 2.0);
        }
        for name in samples.0.keys() {
            assert!(!name.contains("canary") && !name.contains("ada"), "{name}");
            assert!(!name.contains("127.0.0.1"), "{name}");
        }
    }

    async fn rate_limits_and_due_mails_are_counted(deployment: Deployment) {
        let settings = [METRICS[0], ("MAX_CODE_REQUESTS_PER_HOUR", "1")];
        let app = deployment.start_as(Role::Serve, &settings).await;
        for _ in 0..3 {
            app.request_signup_code(ADA, "Ada").await;
        }
        deployment.clock.advance(chrono::Duration::seconds(90));
        let samples = Samples::of(app.metrics_client.as_ref().unwrap()).await;
        samples.assert("limiter_decisions_total{rule=\"code_requests\",decision=\"refused\"}", 2.0);
        samples.assert("outbox_mails{state=\"due\"}", 1.0);
        assert!(samples.get("outbox_lag_seconds") >= 90.0);
        assert!(!samples.0.contains_key("gatelodge_worker_age_seconds"));
    }
}

/// Events are counted even if the log level excludes them. A worker serves metrics, too. The public
/// port does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_count_events_and_errors() {
    let deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let (one, other) = (free_port().to_string(), free_port().to_string());
    let settings = |port| server.settings(&[("METRICS_PORT", port), ("EMAIL_MAX_ATTEMPTS", "1")]);
    let serving = deployment
        .spawn(&["serve", "--no-worker"], &settings(&one))
        .await;
    let _worker = deployment.spawn(&["worker"], &settings(&other)).await;
    serving
        .request_signup_code("reject550@example.com", "Ada")
        .await;
    serving
        .verify_signup_code("reject550@example.com", "000000")
        .await;
    serving.verify_signup_code("invalid", "000000").await;
    serving.post("{ nope }", json!({})).await;
    serving.post("{ sessions { id } }", json!({})).await;

    let metrics_client = |port: &str| Client::new(&format!("http://127.0.0.1:{port}"));
    let samples = Samples::of(&metrics_client(&one)).await;
    samples.assert(
        "events_total{event=\"signup_failed_invalid_code\",level=\"WARNING\"}",
        1.0,
    );
    samples.assert(
        "events_total{event=\"request_served\",level=\"DEBUG\"}",
        4.0,
    );
    samples.assert(
        "graphql_errors_total{place=\"payload\",code=\"INVALID_CODE\"}",
        1.0,
    );
    samples.assert(
        "graphql_errors_total{place=\"payload\",code=\"INVALID_EMAIL\"}",
        1.0,
    );
    samples.assert(
        "graphql_errors_total{place=\"top\",code=\"GRAPHQL_VALIDATION_FAILED\"}",
        1.0,
    );
    samples.assert(
        "graphql_errors_total{place=\"top\",code=\"UNAUTHENTICATED\"}",
        1.0,
    );
    let dead = "mails_total{kind=\"signup_code\",outcome=\"dead\",provider=\"smtp\"}";
    let samples = eventually("the dead mail", async || {
        let samples = Samples::of(&metrics_client(&other)).await;
        samples
            .0
            .contains_key(&format!("gatelodge_{dead}"))
            .then_some(samples)
    })
    .await;
    samples.assert(dead, 1.0);
    samples.assert("events_total{event=\"email_dead\",level=\"ERROR\"}", 1.0);
    samples.assert("outbox_mails{state=\"dead\"}", 1.0);

    let public = Response::of(serving.request(Method::GET, "/metrics")).await;
    assert_eq!(public.status, StatusCode::NOT_FOUND);
}

/// Metrics are off without `METRICS_PORT`. The app does not start if the port is in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_port_is_optional_and_must_be_free() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    assert!(app.metrics_client.is_none());
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = occupied.local_addr().unwrap().port().to_string();
    let config = deployment.config(&[("METRICS_PORT", &port)]);
    let result = App::build(config, Role::Work, deployment.clock.clone()).await;
    let error = result.err().unwrap().to_string();
    assert_eq!(error, format!("cannot listen on 127.0.0.1:{port}"));
}
