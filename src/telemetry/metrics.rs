//! Metrics for Prometheus, in the `OpenMetrics` text format.
//!
//! Labels come from fixed sets only, never from email addresses, users, paths or texts of clients.
//! Events and error codes are counted in the subscriber of the process, because they happen where
//! the [`Metrics`] of the app are not at hand.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use tracing::{Subscriber, dispatcher};
use tracing_subscriber::Layer;

use super::event::{EventInfo, level_name};
use crate::domain::clock::Timestamp;

const PREFIX: &str = "gatelodge";
/// Upper bounds of the buckets for durations, in seconds.
const SECONDS: [f64; 12] = [
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];
/// Upper bounds of the buckets for attempts to send a mail.
const ATTEMPTS: [f64; 6] = [1.0, 2.0, 3.0, 5.0, 8.0, 20.0];

/// Names and values.
type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The metrics of one app. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Families>);

struct Families {
    registry: Registry,
    requests: Histograms<Labels<2>>,
    operations: Histograms<[(&'static str, String); 1]>,
    limiter_decisions: Counters<2>,
    session_lookups: Counters<1>,
    mails: Counters<3>,
    mail_sends: Histograms<Labels<2>>,
    mail_attempts: Histograms<Labels<1>>,
    worker_restarts: Counter,
}

/// A value that is measured when the metrics are requested.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    /// Without the prefix.
    pub name: &'static str,
    pub help: &'static str,
    /// `None` if it could not be measured.
    pub value: Option<f64>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    pub fn new(started: Timestamp) -> Self {
        let mut registry = Registry::default();
        let start: gauge::Gauge = gauge::Gauge::default();
        start.set(started.timestamp());
        registry.register(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970",
            start,
        );
        let ours = registry.sub_registry_with_prefix(PREFIX);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        ours.register("build", "The version", Info::new(version));
        let families = Families {
            requests: seconds(
                ours,
                "http_request_duration",
                "Time to respond to requests, by class of path and of status",
            ),
            operations: seconds(
                ours,
                "graphql_operation_duration",
                "Time to run operations, by each of their root fields",
            ),
            limiter_decisions: registered(
                ours,
                "limiter_decisions",
                "Actions allowed or refused, by rule",
            ),
            session_lookups: registered(
                ours,
                "session_cache_lookups",
                "Lookups of sessions in the cache, by result",
            ),
            mails: registered(
                ours,
                "mails",
                "Attempts to send a mail, by kind, outcome and provider",
            ),
            mail_sends: seconds(
                ours,
                "mail_send_duration",
                "Time of an attempt to send a mail, by provider and outcome",
            ),
            mail_attempts: {
                let attempts =
                    Family::new_with_constructor((|| Histogram::new(ATTEMPTS)) as fn() -> _);
                ours.register(
                    "mail_tries",
                    "Attempts until a mail was sent or given up, by outcome",
                    attempts.clone(),
                );
                attempts
            },
            worker_restarts: registered(
                ours,
                "worker_restarts",
                "Workers that ended unexpectedly and were replaced",
            ),
            registry,
        };
        Self(Arc::new(families))
    }

    /// `route` is a class of paths.
    pub fn request(&self, route: &'static str, status: u16, took: Duration) {
        let status = match status {
            0..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            500.. => "5xx",
        };
        let labels = [("route", route), ("status", status)];
        let requests = &self.0.requests;
        requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// `field` must be a root field of the schema, or `other`: each new one takes memory.
    pub fn operation(&self, field: &str, took: Duration) {
        let labels = [("field", field.to_owned())];
        let operations = &self.0.operations;
        operations
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    pub fn limiter_decision(&self, rule: &'static str, allowed: bool) {
        let decision = if allowed { "allowed" } else { "refused" };
        let labels = [("rule", rule), ("decision", decision)];
        self.0.limiter_decisions.get_or_create(&labels).inc();
    }

    /// `result` is `hit`, `miss` or `error`.
    pub fn session_lookup(&self, result: &'static str) {
        let labels = [("result", result)];
        self.0.session_lookups.get_or_create(&labels).inc();
    }

    /// `outcome` is `sent`, `retry`, `dead` or `cancelled`.
    pub fn mail(&self, kind: &'static str, outcome: &'static str, provider: &'static str) {
        let labels = [("kind", kind), ("outcome", outcome), ("provider", provider)];
        self.0.mails.get_or_create(&labels).inc();
    }

    /// `outcome` is `sent` or `failed`.
    pub fn mail_send(&self, provider: &'static str, outcome: &'static str, took: Duration) {
        let labels = [("provider", provider), ("outcome", outcome)];
        let sends = &self.0.mail_sends;
        sends.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// `outcome` is `sent` or `dead`.
    pub fn mail_attempts(&self, outcome: &'static str, attempts: u32) {
        let labels = [("outcome", outcome)];
        let family = &self.0.mail_attempts;
        family.get_or_create(&labels).observe(attempts.into());
    }

    pub fn worker_restarted(&self) {
        self.0.worker_restarts.inc();
    }

    /// All metrics as text, with the numbers of mails in the outbox by state.
    pub fn text(&self, gauges: &[Gauge], mails: Option<[(&'static str, u64); 4]>) -> String {
        let mut measured = Registry::with_prefix(PREFIX);
        for Gauge { name, help, value } in gauges {
            if let Some(value) = value {
                let gauge = gauge::Gauge::<f64, AtomicU64>::default();
                gauge.set(*value);
                measured.register(*name, *help, gauge);
            }
        }
        if let Some(mails) = mails {
            let family = Family::<Labels<1>, gauge::Gauge>::default();
            for (state, count) in mails {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                family.get_or_create(&[("state", state)]).set(count);
            }
            measured.register("outbox_mails", "Mails in the outbox by state", family);
        }
        let counts = dispatcher::get_default(|dispatch| {
            let counts = dispatch.downcast_ref::<EventCounts>();
            counts.map(EventCounts::registry)
        });
        let mut out = String::new();
        // Writing to a string cannot fail.
        for registry in [&self.0.registry, &measured].into_iter().chain(&counts) {
            let _ = text::encode_registry(&mut out, registry);
        }
        let _ = text::encode_eof(&mut out);
        out
    }
}

/// Counts what happens anywhere in the process. A part of the subscriber, like the masker.
#[derive(Default)]
pub(super) struct EventCounts {
    events: Counters<2>,
    errors: Family<[(&'static str, String); 2], Counter>,
}

/// A no-op layer; it exists to be downcast to.
impl<S: Subscriber> Layer<S> for EventCounts {}

impl EventCounts {
    /// Counts an event, whether or not it is logged.
    pub(super) fn count(&self, event: &EventInfo) {
        let labels = [("event", event.name), ("level", level_name(event.level))];
        self.events.get_or_create(&labels).inc();
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register("events", "Events by name", self.events.clone());
        registry.register(
            "graphql_errors",
            "Errors sent to clients, by code and by whether they are at the top of the response or in a payload",
            self.errors.clone(),
        );
        registry
    }
}

/// Where an error is in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorPlace {
    Top,
    Payload,
}

/// `code` must be one of the schema or of `docs/errors.md`.
pub fn count_error(place: ErrorPlace, code: &str) {
    let place = match place {
        ErrorPlace::Top => "top",
        ErrorPlace::Payload => "payload",
    };
    dispatcher::get_default(|dispatch| {
        if let Some(counts) = dispatch.downcast_ref::<EventCounts>() {
            let labels = [("place", place.to_owned()), ("code", code.to_owned())];
            counts.errors.get_or_create(&labels).inc();
        }
    });
}

fn registered<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn seconds<L>(registry: &mut Registry, name: &str, help: &str) -> Histograms<L>
where
    L: Clone + std::hash::Hash + Eq + Send + Sync + fmt::Debug + 'static,
    Histograms<L>: Metric,
{
    let family = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> _);
    registry.register_with_unit(name, help, Unit::Seconds, family.clone());
    family
}
