//! Figures for Prometheus, in the `OpenMetrics` text format.
//!
//! Labels come from fixed sets only: no address, account, path or text of a client is ever one.
//! The figures of an app are in its [`Metrics`]; events and error codes are counted where the log
//! is, in the process's subscriber, because they happen where no app is in sight.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use tracing::{Subscriber, dispatcher};
use tracing_subscriber::Layer;

use super::event::{EventInfo, level_name};
use crate::domain::clock::Timestamp;

/// What every name begins with.
const PREFIX: &str = "gatelodge";
/// Upper bounds of the buckets for what a person waits for, in seconds.
const SECONDS: [f64; 12] = [
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];
/// Upper bounds of the buckets for tries of a mail.
const TRIES: [f64; 6] = [1.0, 2.0, 3.0, 5.0, 8.0, 20.0];

/// Values of the labels of one figure, by the label's name.
type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The figures of one app. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Figures>);

struct Figures {
    registry: Registry,
    requests: Histograms<Labels<2>>,
    operations: Histograms<[(&'static str, String); 1]>,
    limiter_decisions: Counters<2>,
    session_lookups: Counters<1>,
    mails: Counters<3>,
    mail_sends: Histograms<Labels<2>>,
    mail_tries: Histograms<Labels<1>>,
    worker_restarts: Counter,
}

/// What is measured at the moment it is asked for. `None` where it could not be asked.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Whether the database answers.
    pub database_up: bool,
    /// How long the database took to answer, waiting for a free connection included.
    pub database_answer: Option<Duration>,
    /// Connections open, of which idle, and at most.
    pub database_connections: [u32; 3],
    /// Whether Redis answers, where it is used.
    pub redis_up: Option<bool>,
    /// Mails of the outbox by what they wait for.
    pub outbox: Option<[(&'static str, u64); 4]>,
    /// How long the oldest due mail that nobody sends has waited.
    pub outbox_lag: Option<Duration>,
    /// How long ago a worker of the installation was last seen.
    pub worker_age: Option<Duration>,
    /// Bells in the queue.
    pub queue_waiting: Option<usize>,
    /// Passwords being hashed, and waiting for their turn.
    pub password_hashes: [usize; 2],
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Figures of an app that starts at `started`, all zero.
    pub fn new(started: Timestamp) -> Self {
        let mut registry = Registry::default();
        let start: Gauge = Gauge::default();
        start.set(started.timestamp());
        registry.register(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970",
            start,
        );
        let ours = registry.sub_registry_with_prefix(PREFIX);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        ours.register("build", "What runs", Info::new(version));
        let figures = Figures {
            requests: seconds(
                ours,
                "http_request_duration",
                "Time to answer requests, by class of path and of status",
            ),
            operations: seconds(
                ours,
                "graphql_operation_duration",
                "Time to run operations, by each field at their root",
            ),
            limiter_decisions: registered(
                ours,
                "limiter_decisions",
                "Hits let through or refused, by rule",
            ),
            session_lookups: registered(
                ours,
                "session_cache_lookups",
                "Whether the cache knew a session",
            ),
            mails: registered(
                ours,
                "mails",
                "Tries to send a mail by kind, outcome and provider",
            ),
            mail_sends: seconds(
                ours,
                "mail_send_duration",
                "Time a try to send a mail took, by provider and outcome",
            ),
            mail_tries: {
                let tries = Family::new_with_constructor((|| Histogram::new(TRIES)) as fn() -> _);
                ours.register(
                    "mail_tries",
                    "Tries of a mail until its end, by outcome",
                    tries.clone(),
                );
                tries
            },
            worker_restarts: registered(
                ours,
                "worker_restarts",
                "Workers that ended unasked and were replaced",
            ),
            registry,
        };
        Self(Arc::new(figures))
    }

    /// A request was answered. `route` is a class of paths.
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

    /// An operation with this field at its root was run. `field` must be one of the schema, or
    /// `other`: each new one is kept for the life of the process.
    pub fn operation(&self, field: &str, took: Duration) {
        let labels = [("field", field.to_owned())];
        let operations = &self.0.operations;
        operations
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    /// The limiter decided about a hit.
    pub fn limiter_decision(&self, rule: &'static str, allowed: bool) {
        let decision = if allowed { "allowed" } else { "refused" };
        let labels = [("rule", rule), ("decision", decision)];
        self.0.limiter_decisions.get_or_create(&labels).inc();
    }

    /// The cache was asked about a session: `hit`, `miss` or `error`.
    pub fn session_lookup(&self, result: &'static str) {
        let labels = [("result", result)];
        self.0.session_lookups.get_or_create(&labels).inc();
    }

    /// A try to send a mail ended: `sent`, `retry`, `dead` or `cancelled`.
    pub fn mail(&self, kind: &'static str, outcome: &'static str, provider: &'static str) {
        let labels = [("kind", kind), ("outcome", outcome), ("provider", provider)];
        self.0.mails.get_or_create(&labels).inc();
    }

    /// How long a try to send took: `sent` or `failed`.
    pub fn mail_send(&self, provider: &'static str, outcome: &'static str, took: Duration) {
        let labels = [("provider", provider), ("outcome", outcome)];
        let sends = &self.0.mail_sends;
        sends.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// How many tries a mail took to its end: `sent` or `dead`.
    pub fn mail_tries(&self, outcome: &'static str, tries: u32) {
        let labels = [("outcome", outcome)];
        let family = &self.0.mail_tries;
        family.get_or_create(&labels).observe(tries.into());
    }

    /// A worker ended unasked and is replaced.
    pub fn worker_restarted(&self) {
        self.0.worker_restarts.inc();
    }

    /// All figures as text.
    pub fn text(&self, gauges: &Gauges) -> String {
        let now = gauges.registry();
        let counts = dispatcher::get_default(|dispatch| {
            let counts = dispatch.downcast_ref::<EventCounts>()?;
            Some(counts.registry())
        });
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode_registry(&mut out, &self.0.registry);
        let _ = text::encode_registry(&mut out, &now);
        if let Some(counts) = counts {
            let _ = text::encode_registry(&mut out, &counts);
        }
        let _ = text::encode_eof(&mut out);
        out
    }
}

impl Gauges {
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let mut add = |name: &str, help: &str, value: Option<f64>| {
            if let Some(value) = value {
                let gauge = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
                gauge.set(value);
                registry.register(name, help, gauge);
            }
        };
        let flag = |up: bool| f64::from(u8::from(up));
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let [open, idle, most] = self.database_connections.map(f64::from);
        let [running, waiting] = self.password_hashes.map(number);
        for (name, help, value) in [
            (
                "database_up",
                "Whether the database answers",
                Some(flag(self.database_up)),
            ),
            (
                "database_answer_seconds",
                "How long the database took to answer, waiting for a connection included",
                seconds(self.database_answer),
            ),
            (
                "database_connections",
                "Connections of the pool",
                Some(open),
            ),
            (
                "database_connections_idle",
                "Connections of the pool that nobody uses",
                Some(idle),
            ),
            (
                "database_connections_max",
                "Connections the pool may have",
                Some(most),
            ),
            (
                "redis_up",
                "Whether Redis answers, where it is used",
                self.redis_up.map(flag),
            ),
            (
                "outbox_lag_seconds",
                "How long the oldest due mail that nobody sends has waited",
                seconds(self.outbox_lag),
            ),
            (
                "worker_age_seconds",
                "How long ago a worker of the installation was last seen",
                seconds(self.worker_age),
            ),
            (
                "queue_waiting",
                "Bells in the queue",
                self.queue_waiting.map(number),
            ),
            (
                "password_hashes_running",
                "Passwords being hashed",
                Some(running),
            ),
            (
                "password_hashes_waiting",
                "Passwords waiting to be hashed",
                Some(waiting),
            ),
        ] {
            add(name, help, value);
        }
        if let Some(outbox) = self.outbox {
            let mails = Family::<Labels<1>, Gauge>::default();
            for (state, count) in outbox {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                mails.get_or_create(&[("state", state)]).set(count);
            }
            registry.register("outbox_mails", "Mails of the outbox by state", mails);
        }
        registry
    }
}

/// Counts what happens anywhere in the process. Carried by the subscriber, as the masker is.
#[derive(Default)]
pub(super) struct EventCounts {
    events: Counters<2>,
    errors: Family<[(&'static str, String); 2], Counter>,
}

/// A no-op layer; it exists to be downcast to.
impl<S: Subscriber> Layer<S> for EventCounts {}

impl EventCounts {
    /// Counts an event, whether or not it is urgent enough to be logged.
    pub(super) fn count(&self, event: &EventInfo) {
        let labels = [("event", event.name), ("level", level_name(event.level))];
        self.events.get_or_create(&labels).inc();
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register("events", "Events by name", self.events.clone());
        registry.register(
            "graphql_errors",
            "Errors told to clients by code, at the top of the answer or in a payload",
            self.errors.clone(),
        );
        registry
    }
}

/// Where an error is told to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorPlace {
    /// At the top of the answer.
    Top,
    /// In the payload of a mutation.
    Payload,
}

/// Counts an error told to a client. `code` is one of the contract's.
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
