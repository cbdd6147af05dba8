//! Logs and traces over OTLP: HTTP with protobuf.
//!
//! Each signal has a bounded queue and a thread that sends batches, so that nothing waits for the
//! collector. Records that the queue or the collector does not accept are lost and counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger, LoggerProvider, Severity};
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
use serde_json::Value;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, filter::filter_fn};

use super::record::{LogRecord, Output};
use super::{TARGET, event, is_shown};
use crate::config::{LogLevel, OtlpConfig};

/// The maximum number of waiting records.
const QUEUE_MAX: usize = 8_192;
const BATCH_MAX: usize = 512;
/// How long a record waits for a batch.
const DELAY: Duration = Duration::from_secs(1);
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the end of the process waits for the last batches.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub struct External {
    logger: SdkLogger,
    tracer: Option<SdkTracer>,
    lost: Arc<Lost>,
}

pub(super) struct Sender {
    logs: SdkLoggerProvider,
    traces: Option<SdkTracerProvider>,
    lost: Arc<Lost>,
}

/// Counts records that were not accepted.
#[derive(Debug, Default)]
struct Lost {
    queued: AtomicU64,
    sent: AtomicU64,
    away: AtomicBool,
}

impl Lost {
    /// Counts an export, and logs when the collector becomes unavailable and available again.
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
                    // The text of the error names the address at most, never a header.
                    event::emit(event::ExternalLoggingFailed { error });
                }
            }
        }
    }
}

pub(super) fn start(config: &OtlpConfig) -> Result<(External, Sender), ExporterBuildError> {
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
    /// Sends the last batches for up to two seconds. Returns the number of log records that were
    /// not accepted.
    pub(super) fn finish(&self) -> u64 {
        let begun = Instant::now();
        // Records that cannot be sent are counted below.
        let _ = self.logs.shutdown_with_timeout(FLUSH_TIMEOUT);
        if let Some(traces) = &self.traces {
            let _ = traces.shutdown_with_timeout(FLUSH_TIMEOUT.saturating_sub(begun.elapsed()));
        }
        let queued = self.lost.queued.load(Ordering::Relaxed);
        queued.saturating_sub(self.lost.sent.load(Ordering::Relaxed))
    }
}

/// An exporter that counts its results.
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
    pub(super) fn output(&self, level: LogLevel) -> Output {
        let external = self.clone();
        Output {
            // Lines of the sender itself would cause more of them.
            accepts: Box::new(move |meta| is_shown(meta, level) && !is_of_sender(meta)),
            write: Box::new(move |record| external.send(record)),
        }
    }

    /// The layer that exports our own spans.
    pub(super) fn traces<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let spans = filter_fn(|meta| meta.is_span() && meta.target() == TARGET);
        self.tracer.clone().map(|tracer| {
            tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_level(false)
                .with_tracked_inactivity(false)
                .with_filter(spans)
        })
    }

    fn send(&self, record: &LogRecord) {
        let mut sent = self.logger.create_log_record();
        let (severity, text) = match record.level {
            LogLevel::Critical => (Severity::Fatal, "CRITICAL"),
            LogLevel::Error => (Severity::Error, "ERROR"),
            LogLevel::Warning => (Severity::Warn, "WARNING"),
            LogLevel::Info => (Severity::Info, "INFO"),
            LogLevel::Debug => (Severity::Debug, "DEBUG"),
        };
        sent.set_timestamp(SystemTime::from(record.time));
        sent.set_severity_number(severity);
        sent.set_severity_text(text);
        sent.set_body(record.message.clone().into());
        if let Some(target) = record.target {
            sent.add_attribute("target", target);
        }
        for (name, value) in &record.fields {
            sent.add_attribute(*name, any_value(value));
        }
        self.lost.queued.fetch_add(1, Ordering::Relaxed);
        self.logger.emit(sent);
    }
}

fn is_of_sender(meta: &Metadata<'_>) -> bool {
    ["opentelemetry", "reqwest", "hyper", "h2", "rustls"]
        .iter()
        .any(|name| meta.target().starts_with(name))
}

fn any_value(value: &Value) -> AnyValue {
    match value {
        Value::String(text) => text.clone().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.to_string().into(),
        },
        value => value.to_string().into(),
    }
}

/// Adds an attribute to a span of a trace. It is not logged. Attributes are not masked, so they
/// must not be secrets or personal data.
pub fn describe(span: &Span, key: &'static str, value: impl Into<SpanValue>) {
    span.set_attribute(key, value);
}
