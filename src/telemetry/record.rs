//! One log record, made of a tracing event. Every output is written from it.

use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_bunyan_formatter::JsonStorage;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::{CRITICAL, REQUEST_ID, TARGET};
use crate::config::LogLevel;
use crate::domain::clock::{Clock, Timestamp};

pub(super) struct LogRecord {
    pub(super) time: Timestamp,
    pub(super) level: LogLevel,
    /// The module of another crate that logged it.
    pub(super) target: Option<&'static str>,
    pub(super) message: String,
    /// The fields of the event, then those of its span.
    pub(super) fields: Vec<(&'static str, Value)>,
}

/// A destination of records.
pub(super) struct Output {
    pub(super) accepts: Box<dyn Fn(&Metadata<'_>) -> bool + Send + Sync>,
    pub(super) write: Box<dyn Fn(&LogRecord) + Send + Sync>,
}

/// Makes one record of each event, for all outputs that accept it.
pub(super) struct RecordLayer {
    pub(super) outputs: Vec<Output>,
    /// `LOG_REQUEST_ID`.
    pub(super) request_id: bool,
    pub(super) clock: Clock,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for RecordLayer {
    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let meta = event.metadata();
        let mut record = None;
        for output in &self.outputs {
            if (output.accepts)(meta) {
                (output.write)(record.get_or_insert_with(|| self.record(event, &ctx)));
            }
        }
    }
}

impl RecordLayer {
    fn record<S: Subscriber + for<'a> LookupSpan<'a>>(
        &self,
        event: &Event<'_>,
        ctx: &Context<'_, S>,
    ) -> LogRecord {
        let meta = event.metadata();
        let mut record = LogRecord {
            time: self.clock.now(),
            level: level(meta),
            target: Some(meta.target()).filter(|target| *target != TARGET),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut record);
        if self.request_id
            && let Some(span) = ctx.lookup_current()
            && let Some(storage) = span.extensions().get::<JsonStorage<'_>>()
            && let Some(id) = storage.values().get(REQUEST_ID)
        {
            record.fields.push((REQUEST_ID, id.clone()));
        }
        record
    }
}

fn level(meta: &Metadata<'_>) -> LogLevel {
    match *meta.level() {
        Level::ERROR if meta.name() == CRITICAL => LogLevel::Critical,
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warning,
        Level::INFO => LogLevel::Info,
        Level::DEBUG | Level::TRACE => LogLevel::Debug,
    }
}

impl LogRecord {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            // The email address comes first, although the IP address is recorded first.
            ("email", value) => self.fields.insert(0, ("email", value)),
            // What the `log` crate says of the place is not of interest.
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for LogRecord {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }
}
