//! Logs and traces that are sent to a collector with OTLP over HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Kind};
use poem::http::StatusCode;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{Body, Request, Response, Route, Server};
use prost::Message;
use serde_json::json;

use crate::support::client::error_codes;
use crate::support::deployment::{Deployment, SECRET};
use crate::support::flow::wrong_code;
use crate::support::{TIMEOUT, eventually, free_port};

const ADA: &str = "ada@example.com";
const API_KEY: &str = "canary-api-key-0123456789";

type Attributes = BTreeMap<String, String>;

/// A received log record.
#[derive(Clone, Debug)]
struct Record {
    severity: i32,
    body: String,
    trace: Vec<u8>,
    attributes: Attributes,
}

/// A received span.
#[derive(Clone, Debug)]
struct Span {
    name: String,
    trace: Vec<u8>,
    attributes: Attributes,
}

#[derive(Default)]
struct Received {
    logs: Vec<Record>,
    spans: Vec<Span>,
    services: Vec<String>,
    raw: Vec<u8>,
    /// Requests with the API key.
    authenticated: usize,
    unauthenticated: usize,
}

/// A fake collector.
struct Collector {
    port: u16,
    received: Arc<Mutex<Received>>,
}

impl Collector {
    /// Starts a collector that responds after `delay`.
    async fn start(delay: Duration) -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0")
            .into_acceptor()
            .await
            .unwrap();
        let port = acceptor.local_addr()[0].as_socket_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Received::default()));
        let endpoint = |decode: fn(&mut Received, &[u8])| {
            let received = Arc::clone(&received);
            poem::post(poem::endpoint::make(move |request: Request| {
                let received = Arc::clone(&received);
                async move {
                    let is_authenticated = request.header("api-key") == Some(API_KEY)
                        && request.content_type() == Some("application/x-protobuf");
                    let bytes = request.into_body().into_vec().await.unwrap();
                    tokio::time::sleep(delay).await;
                    let mut received = received.lock().unwrap();
                    if is_authenticated {
                        received.authenticated += 1;
                    } else {
                        received.unauthenticated += 1;
                    }
                    received.raw.extend(&bytes);
                    decode(&mut received, &bytes);
                    Ok::<_, poem::Error>(
                        Response::builder()
                            .status(StatusCode::OK)
                            .body(Body::empty()),
                    )
                }
            }))
        };
        let routes = Route::new()
            .at("/v1/logs", endpoint(Received::add_logs))
            .at("/v1/traces", endpoint(Received::add_spans));
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
        Self { port, received }
    }

    fn config(&self) -> String {
        config(self.port)
    }

    /// Waits for the log record of an event.
    async fn record(&self, event: &str) -> Record {
        eventually(event, async || {
            let received = self.received.lock().unwrap();
            let found = received.logs.iter().find(|record| {
                record
                    .attributes
                    .get("event")
                    .is_some_and(|found| found == event)
            });
            found.cloned()
        })
        .await
    }

    /// Waits for a span with a name and an attribute.
    async fn span(&self, name: &str, attribute: (&str, &str)) -> Span {
        eventually(name, async || {
            let received = self.received.lock().unwrap();
            let (key, value) = attribute;
            let mut spans = received.spans.iter();
            let matches = |span: &&Span| {
                span.name == name && span.attributes.get(key).is_some_and(|found| found == value)
            };
            spans.find(matches).cloned()
        })
        .await
    }
}

fn config(port: u16) -> String {
    json!({ "endpoint": format!("http://127.0.0.1:{port}"), "headers": { "api-key": API_KEY }, "service_name": "accounts" }).to_string()
}

impl Received {
    fn add_logs(&mut self, bytes: &[u8]) {
        for resource in ExportLogsServiceRequest::decode(bytes)
            .unwrap()
            .resource_logs
        {
            self.services
                .push(attributes(resource.resource.unwrap().attributes)["service.name"].clone());
            for record in resource
                .scope_logs
                .into_iter()
                .flat_map(|scope| scope.log_records)
            {
                assert!(record.time_unix_nano > 1_700_000_000_000_000_000);
                self.logs.push(Record {
                    severity: record.severity_number,
                    body: text(record.body),
                    trace: record.trace_id,
                    attributes: attributes(record.attributes),
                });
            }
        }
    }

    fn add_spans(&mut self, bytes: &[u8]) {
        for resource in ExportTraceServiceRequest::decode(bytes)
            .unwrap()
            .resource_spans
        {
            for span in resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans)
            {
                self.spans.push(Span {
                    name: span.name,
                    trace: span.trace_id,
                    attributes: attributes(span.attributes),
                });
            }
        }
    }
}

fn attributes(list: Vec<KeyValue>) -> Attributes {
    list.into_iter()
        .map(|pair| (pair.key, text(pair.value)))
        .collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Kind::StringValue(text)) => text,
        Some(Kind::IntValue(number)) => number.to_string(),
        Some(Kind::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    }
}

fn settings(config: &str) -> Vec<(&str, &str)> {
    vec![
        ("EXTERNAL_LOGGING_ENABLED", "true"),
        ("EXTERNAL_LOGGING_CONFIG", config),
        ("LOG_FORMAT", "json"),
    ]
}

/// Events arrive with their fields, masked as in the other logs, and with their trace. Requests,
/// operations and sent mails are spans. Nothing contains a secret.
#[tokio::test(flavor = "multi_thread")]
async fn events_and_traces_arrive_at_the_collector() {
    let deployment = Deployment::embedded().await;
    let collector = Collector::start(Duration::ZERO).await;
    let config = collector.config();
    let mut settings = settings(&config);
    settings.extend([
        ("MASK_EMAILS_IN_LOGS", "true"),
        ("LOG_LEVEL", "DEBUG"),
        ("CODE_LENGTH", "8"),
    ]);
    let mut process = deployment.spawn(&[], &settings).await;
    process.request_signup_code(ADA, "Ada").await;
    let code = process.code(ADA).await;
    process.verify_signup_code(ADA, &wrong_code(&code, 0)).await;
    let verified = process.verify_signup_code(ADA, &code).await;
    assert_eq!(error_codes(&verified), [""; 0]);
    let tokens = ["accessToken", "refreshToken"]
        .map(|name| verified["session"][name].as_str().unwrap().to_owned());

    let failed = collector.record("signup_failed_invalid_code").await;
    assert_eq!(
        (failed.severity, &*failed.body),
        (13, "Invalid sign-up code")
    );
    assert_eq!(failed.attributes["email"], "a***@example.com");
    assert_eq!(failed.attributes["attempt_number"], "1");
    assert_eq!(failed.attributes["security"], "true");
    let id = &failed.attributes["request_id"];
    let request = collector.span("request", ("request_id", id)).await;
    assert_eq!(request.trace, failed.trace);
    assert_eq!(request.trace.len(), 16);
    assert_eq!(request.attributes["http.route"], "graphql");
    assert_eq!(request.attributes["http.response.status_code"], "200");
    let operation = collector
        .span("operation", ("graphql.fields", "verifySignupCode"))
        .await;
    assert!(!operation.trace.is_empty());
    let send = collector.span("mail", ("mail.kind", "signup_code")).await;
    assert_eq!(send.attributes["mail.provider"], "mock");
    collector.record("server_started").await;

    // The last events are sent before the process exits.
    process.terminate().await;
    collector.record("server_stopped").await;
    let received = collector.received.lock().unwrap();
    assert_eq!(received.services[0], "accounts");
    assert!(received.authenticated > 0);
    assert_eq!(received.unauthenticated, 0);
    let targets: Vec<_> = received
        .logs
        .iter()
        .filter_map(|record| record.attributes.get("target"))
        .collect();
    assert!(
        !targets
            .iter()
            .any(|target| target.starts_with("hyper") || target.starts_with("reqwest")),
        "{targets:?}"
    );
    let raw = String::from_utf8_lossy(&received.raw);
    for secret in [&*code, &*tokens[0], &*tokens[1], SECRET, API_KEY, ADA] {
        assert!(!raw.contains(secret), "{secret} was sent");
    }
    assert!(!process.output().contains(API_KEY));
}

/// With an unreachable or a slow collector, requests are served, the process exits, and the failure
/// is logged once.
#[tokio::test(flavor = "multi_thread")]
async fn requests_do_not_wait_for_the_collector() {
    let slow = Collector::start(Duration::from_mins(1)).await;
    for config in [config(free_port()), slow.config()] {
        let deployment = Deployment::embedded().await;
        let mut process = deployment.spawn(&[], &settings(&config)).await;
        let requests = async {
            for _ in 0..20 {
                process.me().await;
            }
        };
        let served = tokio::time::timeout(TIMEOUT, requests).await;
        served.expect("no request waits for the collector");
        process.wait_for("external_logging_failed").await;
        assert_eq!(process.terminate().await.code(), Some(0));
        assert_eq!(
            process.output().matches("external_logging_failed").count(),
            1
        );
    }
}
