//! The log, and traces, sent elsewhere: OTLP over HTTP, as protobuf.
//!
//! Each signal has a bounded queue and a thread that sends batches of it, so that nobody waits for
//! the collector. What the queue cannot take, or the collector does not, is lost and counted.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, Value as SpanValue};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{self, BatchLogProcessor, LogBatch, SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::{self, BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use secrecy::ExposeSecret;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_bunyan_formatter::JsonStorage;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, filter::filter_fn};

use super::{CRITICAL, REQUEST_ID, TARGET, event, is_shown};
use crate::config::{LogLevel, OtlpConfig};
use crate::domain::clock::Clock;

/// Records that may wait; those beyond are lost.
const QUEUE_MAX: usize = 8_192;
/// Records sent at once.
const BATCH_MAX: usize = 512;
/// How long a record may wait for others.
const DELAY: Duration = Duration::from_secs(1);
/// How long the collector may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the end of the process may wait for what is left to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the subscriber hands records to.
#[derive(Clone, Debug)]
pub struct External {
    logger: SdkLogger,
    tracer: Option<SdkTracer>,
    lost: Arc<Lost>,
    /// `LOG_REQUEST_ID`.
    request_id: bool,
}

/// Keeps sending; ends it when dropped.
pub(super) struct Sender {
    logs: SdkLoggerProvider,
    traces: Option<SdkTracerProvider>,
    lost: Arc<Lost>,
}

/// What did not arrive.
#[derive(Debug, Default)]
struct Lost {
    queued: AtomicU64,
    sent: AtomicU64,
    away: AtomicBool,
}

impl Lost {
    /// Remembers how an export ended, and tells the log when the collector goes and comes back.
    fn note(&self, records: usize, exported: &OTelSdkResult) {
        match exported {
            Ok(()) => {
                self.sent.fetch_add(records as u64, Ordering::Relaxed);
                if self.away.swap(false, Ordering::Relaxed) {
                    event::emit(event::ExternalLoggingAvailable {});
                }
            }
            Err(error) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    // The error's text names the address at most, never a header.
                    event::emit(event::ExternalLoggingFailed { error });
                }
            }
        }
    }
}

/// Starts sending. `request_id` says whether the request's id goes with each record.
pub(super) fn start(
    config: &OtlpConfig,
    request_id: bool,
) -> Result<(External, Sender), ExporterBuildError> {
    let lost = Arc::new(Lost::default());
    let headers: HashMap<String, String> = config
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
        .collect();
    let resource = Resource::builder_empty()
        .with_service_name(config.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let exporter = LogExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/logs", config.endpoint))
        .with_timeout(EXPORT_TIMEOUT)
        .with_headers(headers.clone())
        .build()?;
    let batches = logs::BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_MAX)
        .with_max_export_batch_size(BATCH_MAX)
        .with_scheduled_delay(DELAY)
        .build();
    let counted = Counted {
        exporter,
        lost: Arc::clone(&lost),
    };
    let processor = BatchLogProcessor::builder(counted)
        .with_batch_config(batches)
        .build();
    let logs = SdkLoggerProvider::builder()
        .with_log_processor(processor)
        .with_resource(resource.clone())
        .build();
    let traces = if config.traces {
        Some(traces(config, headers, resource)?)
    } else {
        None
    };
    let external = External {
        logger: logs.logger(TARGET),
        tracer: traces.as_ref().map(|traces| traces.tracer(TARGET)),
        lost: Arc::clone(&lost),
        request_id,
    };
    Ok((external, Sender { logs, traces, lost }))
}

fn traces(
    config: &OtlpConfig,
    headers: HashMap<String, String>,
    resource: Resource,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", config.endpoint))
        .with_timeout(EXPORT_TIMEOUT)
        .with_headers(headers)
        .build()?;
    let batches = trace::BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_MAX)
        .with_max_export_batch_size(BATCH_MAX)
        .with_scheduled_delay(DELAY)
        .build();
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(batches)
        .build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_resource(resource)
        .build())
}

impl Sender {
    /// Sends what is left, for up to two seconds; how many log records never arrived.
    pub(super) fn finish(&self) -> u64 {
        let begun = Instant::now();
        // What cannot be sent is counted below.
        let _ = self.logs.shutdown_with_timeout(FLUSH_TIMEOUT);
        if let Some(traces) = &self.traces {
            let _ = traces.shutdown_with_timeout(FLUSH_TIMEOUT.saturating_sub(begun.elapsed()));
        }
        let queued = self.lost.queued.load(Ordering::Relaxed);
        queued.saturating_sub(self.lost.sent.load(Ordering::Relaxed))
    }
}

/// An exporter whose outcomes are noted.
#[derive(Debug)]
struct Counted {
    exporter: LogExporter,
    lost: Arc<Lost>,
}

impl logs::LogExporter for Counted {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let records = batch.iter().count();
        let exported = logs::LogExporter::export(&self.exporter, batch).await;
        self.lost.note(records, &exported);
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        logs::LogExporter::shutdown_with_timeout(&self.exporter, timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        logs::LogExporter::set_resource(&mut self.exporter, resource);
    }
}

impl External {
    /// The layers that send what `level` shows of events, and our own spans.
    pub(super) fn layers<S>(self, level: LogLevel) -> Vec<Box<dyn Layer<S> + Send + Sync>>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        // The sender's own lines would bring about more of them.
        let events = filter_fn(move |meta| is_shown(meta, level) && !is_of_sender(meta));
        let spans = filter_fn(|meta| meta.is_span() && meta.target() == TARGET);
        let traces = self.tracer.clone().map(|tracer| {
            tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_level(false)
                .with_tracked_inactivity(false)
                .with_filter(spans)
                .boxed()
        });
        let records = Records {
            external: self,
            clock: Clock::default(),
        };
        let records = records.with_filter(events).boxed();
        // Traces first, so that a record finds the trace that it belongs to.
        traces.into_iter().chain([records]).collect()
    }
}

fn is_of_sender(meta: &Metadata<'_>) -> bool {
    ["opentelemetry", "reqwest", "hyper", "h2", "rustls"]
        .iter()
        .any(|name| meta.target().starts_with(name))
}

/// Makes a log record of each event.
struct Records {
    external: External,
    clock: Clock,
}

impl<S> Layer<S> for Records
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_event(&self, event: &tracing::Event<'_>, ctx: Context<'_, S>) {
        let External {
            logger,
            lost,
            request_id,
            ..
        } = &self.external;
        let meta = event.metadata();
        let mut record = logger.create_log_record();
        let (severity, text) = severity(meta);
        record.set_timestamp(SystemTime::from(self.clock.now()));
        record.set_severity_number(severity);
        record.set_severity_text(text);
        if meta.target() != TARGET {
            record.add_attribute("target", meta.target().to_owned());
        }
        event.record(&mut Fields(&mut record));
        if let (true, Some(span)) = (*request_id, ctx.lookup_current())
            && let Some(storage) = span.extensions().get::<JsonStorage<'_>>()
            && let Some(id) = storage.values().get(REQUEST_ID)
        {
            record.add_attribute(REQUEST_ID, id.as_str().unwrap_or_default().to_owned());
        }
        lost.queued.fetch_add(1, Ordering::Relaxed);
        logger.emit(record);
    }
}

fn severity(meta: &Metadata<'_>) -> (Severity, &'static str) {
    match *meta.level() {
        Level::ERROR if meta.name() == CRITICAL => (Severity::Fatal, "CRITICAL"),
        Level::ERROR => (Severity::Error, "ERROR"),
        Level::WARN => (Severity::Warn, "WARNING"),
        Level::INFO => (Severity::Info, "INFO"),
        Level::DEBUG | Level::TRACE => (Severity::Debug, "DEBUG"),
    }
}

/// Takes the fields of an event over: those of our own were masked before.
struct Fields<'a, R>(&'a mut R);

impl<R: LogRecord> Fields<'_, R> {
    fn add(&mut self, field: &Field, value: AnyValue) {
        if field.name() == "message" {
            self.0.set_body(value);
        } else {
            self.0.add_attribute(field.name(), value);
        }
    }
}

impl<R: LogRecord> Visit for Fields<'_, R> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned().into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, i64::try_from(value).unwrap_or(i64::MAX).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }
}

/// Adds something to a span of a trace, which lines of the log do not show. Nothing happens where
/// no traces are sent. No secret and no personal data: traces are not masked.
pub fn describe(span: &Span, key: &'static str, value: impl Into<SpanValue>) {
    span.set_attribute(key, value);
}
