//! Logs: events from one table, as JSON or text, on the console and in files.
//!
//! `ctx.emit(event::…)` is the only way this crate logs.

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

/// The target of our own events and spans.
const TARGET: &str = "gatelodge";
/// The name in the metadata of critical events: tracing's highest level is ERROR.
const CRITICAL: &str = "critical";
/// The field that marks security events.
const SECURITY: &str = "security";
/// The field that the request span gives to every line inside.
const REQUEST_ID: &str = "request_id";
/// Lines that may wait for a slow disk or terminal; those beyond are dropped and counted.
const WAITING_LINES_MAX: usize = 16_384;

/// Where log records are written.
#[derive(Clone, Debug)]
pub struct Outputs<W> {
    /// Standard output.
    pub console: Option<W>,
    /// The log file.
    pub file: Option<W>,
    /// The security log.
    pub security_file: Option<W>,
    /// The OTLP collector.
    pub external: Option<External>,
}

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("logging is set up already")]
    Again(#[from] SetGlobalDefaultError),
    /// `EXTERNAL_LOGGING_CONFIG` cannot be used.
    #[error("logs cannot be exported: {0}")]
    External(String),
}

/// Keeps the log going. When dropped, it writes what is still waiting, for up to a second.
#[derive(Default)]
#[must_use = "lines are lost when the guard is dropped"]
pub struct Guard {
    writers: Vec<(WorkerGuard, ErrorCounter)>,
    sender: Option<Sender>,
}

impl Guard {
    /// Writes in a thread of its own, so that no request waits for a disk or a terminal.
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
        tell_lost(records, "log records were not accepted by the collector");
        for (_, dropped) in &self.writers {
            let lines = dropped.dropped_lines() as u64;
            tell_lost(lines, "log lines were dropped: the output is too slow");
        }
    }
}

fn tell_lost(count: u64, what: &str) {
    if count > 0 {
        // Standard error may be closed.
        let _ = writeln!(io::stderr(), "{count} {what}");
    }
}

/// Removes rotated log files that are older than `LOG_RETENTION_DAYS`. To be called now and then:
/// a log that hardly grows is hardly rotated.
pub fn remove_old_files(config: &LogConfig) {
    for file in [&config.file, &config.security_file].into_iter().flatten() {
        file::remove_older(&file.path, file.retention);
    }
}

/// Starts logging for the whole process. A log file that cannot be written is reported on
/// standard error and otherwise ignored. Panics are logged, too.
///
/// `hash_key` is the key of the hashes that stand for personal data if the settings say `hash`.
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

/// What [`init`] installs, writing to `outputs` whatever `config` says of console and files.
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

/// Whether something is urgent enough for `LOG_LEVEL`.
///
/// Our own spans always are, for the request id. Other crates may warn and no more, because what
/// they say below that holds statements, headers and addresses; only the queue's, whose jobs are
/// bare ids, may say more at DEBUG.
fn is_shown(meta: &Metadata<'_>, level: LogLevel) -> bool {
    let is_ours = meta.target() == TARGET;
    let max = match level {
        LogLevel::Critical if is_ours && meta.name() == CRITICAL => LevelFilter::ERROR,
        LogLevel::Critical => LevelFilter::OFF,
        // What ends a worker is logged by its supervisor.
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

/// Whether something belongs in the security log: security events of any level, and the request
/// they happen in.
fn is_security(meta: &Metadata<'_>) -> bool {
    meta.target() == TARGET && (meta.is_span() || meta.fields().field(SECURITY).is_some())
}

/// The span of a request: every line inside has its `request_id`.
pub fn request_span(request_id: &str) -> Span {
    tracing::info_span!(target: TARGET, "request", request_id)
}

/// The span of a GraphQL operation, for traces.
pub fn operation_span() -> Span {
    tracing::info_span!(target: TARGET, "operation")
}

/// The span of a try to deliver a mail, for traces.
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
