//! Logs: events from one table, as JSON or text, on the console and in files.
//!
//! `emit` is the only way this crate logs.

pub mod event;
mod external;
mod file;
mod json;
mod masking;
pub mod metrics;
mod record;
mod text;
mod throttle;

use std::backtrace::Backtrace;
use std::io::{self, Write};
use std::panic;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing::{Metadata, Span, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_bunyan_formatter::JsonStorageLayer;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use crate::config::{LogConfig, LogFormat, LogLevel};
use crate::domain::clock::Clock;
use external::{External, Sender};
use file::RotatingFile;
use masking::Masker;
use metrics::EventCounts;
use record::{Output, RecordLayer};

pub use event::{event_table_markdown, with_sources};
pub use external::describe;
pub use throttle::Throttle;

const TARGET: &str = "gatelodge";
/// The name in the metadata of critical events: tracing's highest level is ERROR.
const CRITICAL: &str = "critical";
const SECURITY: &str = "security";
const REQUEST_ID: &str = "request_id";
/// The maximum number of lines that wait for a slow disk or terminal. Further ones are dropped and
/// counted.
const WAITING_LINES_MAX: usize = 16_384;

#[derive(Clone, Debug)]
pub struct Outputs<W> {
    pub console: Option<W>,
    pub file: Option<W>,
    pub security_file: Option<W>,
    pub external: Option<External>,
}

#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("logging is set up already")]
    Again(#[from] SetGlobalDefaultError),
    /// `EXTERNAL_LOGGING_CONFIG` cannot be used.
    #[error("logs cannot be exported: {0}")]
    External(String),
}

/// When dropped, writes the lines that are still waiting, for up to a second.
#[derive(Default)]
#[must_use = "lines are lost when the guard is dropped"]
pub struct Guard {
    writers: Vec<(WorkerGuard, ErrorCounter)>,
    sender: Option<Sender>,
}

impl Guard {
    /// Writes in a thread of its own, so that no request waits for a disk or terminal.
    fn in_background(&mut self, name: &str, writer: impl Write + Send + 'static) -> NonBlocking {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING_LINES_MAX)
            .thread_name(name)
            .finish(writer);
        self.writers.push((guard, writer.error_counter()));
        writer
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let records = self.sender.as_ref().map_or(0, Sender::finish);
        report_lost(records, "log records were not accepted by the collector");
        for (_, dropped) in &self.writers {
            let lines = dropped.dropped_lines() as u64;
            report_lost(lines, "log lines were dropped: the output is too slow");
        }
    }
}

fn report_lost(count: u64, what: &str) {
    if count > 0 {
        // Standard error may be closed.
        let _ = writeln!(io::stderr(), "{count} {what}");
    }
}

/// Removes rotated log files that are older than `LOG_RETENTION_DAYS`. Call it regularly: a log
/// that hardly grows is hardly rotated.
pub fn remove_old_files(config: &LogConfig) {
    for file in [&config.file, &config.security_file].into_iter().flatten() {
        file::remove_older(&file.path, file.retention);
    }
}

/// Starts logging for the whole process, panics included. A log file that cannot be written is
/// reported on standard error. `hash_key` is for personal data that the settings say to hash.
pub fn init(config: &LogConfig, hash_key: [u8; 32]) -> Result<Guard, InitError> {
    let mut guard = Guard::default();
    let external = match &config.external {
        Some(otlp) => {
            let started = external::start(otlp);
            let (external, sender) =
                started.map_err(|error| InitError::External(error.to_string()))?;
            guard.sender = Some(sender);
            Some(external)
        }
        None => None,
    };
    let outputs = Outputs {
        console: config
            .console
            .then(|| guard.in_background("log-console", io::stdout())),
        file: config
            .file
            .as_ref()
            .map(|file| guard.in_background("log-file", RotatingFile::new(file))),
        security_file: config
            .security_file
            .as_ref()
            .map(|file| guard.in_background("log-security", RotatingFile::new(file))),
        external,
    };
    set_global_default(subscriber(config, hash_key, outputs))?;
    log_panics();
    Ok(guard)
}

/// The subscriber of [`init`], with any outputs.
pub fn subscriber<W>(
    config: &LogConfig,
    hash_key: [u8; 32],
    outputs: Outputs<W>,
) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = config.level;
    let has_security = outputs.security_file.is_some();
    let traces = outputs.external.as_ref().and_then(External::traces);
    let all = [outputs.console, outputs.file].into_iter().flatten();
    let outputs = all
        .map(|writer| lines(config.format, writer, move |meta| is_shown(meta, level)))
        .chain(
            outputs
                .security_file
                .map(|writer| lines(config.format, writer, is_security)),
        )
        .chain(outputs.external.map(|external| external.output(level)))
        .collect();
    Registry::default()
        .with(Masker::new(config, &hash_key))
        .with(EventCounts::default())
        .with(JsonStorageLayer)
        // Before the records, so that they find the trace that they belong to.
        .with(traces)
        .with(RecordLayer {
            outputs,
            request_id: config.request_id,
            clock: Clock::default(),
        })
        .with(filter_fn(move |meta| {
            is_shown(meta, level) || has_security && is_security(meta)
        }))
}

/// An output of lines in the configured format.
fn lines<W>(
    format: LogFormat,
    writer: W,
    accepts: impl Fn(&Metadata<'_>) -> bool + Send + Sync + 'static,
) -> Output
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let line = match format {
        LogFormat::Json => json::line,
        LogFormat::Text => text::line,
    };
    Output {
        accepts: Box::new(accepts),
        write: Box::new(move |record| {
            // A log that cannot be written cannot be reported in the log.
            let _ = writer.make_writer().write_all(line(record).as_bytes());
        }),
    }
}

/// Whether `LOG_LEVEL` shows something.
///
/// Our own spans are always shown, for the request ID. Other crates are shown from WARN on, because
/// below that they log statements, headers and addresses; only the queue, whose jobs are bare IDs,
/// is also shown at DEBUG.
fn is_shown(meta: &Metadata<'_>, level: LogLevel) -> bool {
    let is_ours = meta.target() == TARGET;
    let max = match level {
        LogLevel::Critical if is_ours && meta.name() == CRITICAL => LevelFilter::ERROR,
        LogLevel::Critical => LevelFilter::OFF,
        // The supervisor logs what ends a worker.
        _ if meta.target().starts_with("apalis_core") && level != LogLevel::Debug => {
            LevelFilter::OFF
        }
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Info if is_ours => LevelFilter::INFO,
        LogLevel::Debug if is_ours || meta.target().starts_with("apalis") => LevelFilter::DEBUG,
        LogLevel::Warning | LogLevel::Info | LogLevel::Debug => LevelFilter::WARN,
    };
    *meta.level() <= max || is_ours && meta.is_span()
}

/// Whether something belongs in the security log: security events of any level, and the spans of
/// requests.
fn is_security(meta: &Metadata<'_>) -> bool {
    meta.target() == TARGET && (meta.is_span() || meta.fields().field(SECURITY).is_some())
}

/// Every line inside has its `request_id`.
pub fn request_span(request_id: &str) -> Span {
    tracing::info_span!(target: TARGET, "request", request_id)
}

/// For traces.
pub fn operation_span() -> Span {
    tracing::info_span!(target: TARGET, "operation")
}

/// For traces.
pub fn mail_span() -> Span {
    tracing::info_span!(target: TARGET, "mail")
}

fn log_panics() {
    let next = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let stack_trace = Backtrace::force_capture().to_string();
        event::emit(event::Panicked {
            detail: &panic.to_string(),
            stack_trace: &stack_trace,
        });
        next(panic);
    }));
}

#[cfg(test)]
mod tests;
