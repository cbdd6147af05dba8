//! Text lines, for people: `2024-01-15 10:30:45 [INFO] user_signup_success - … (email: …)`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_bunyan_formatter::JsonStorage;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::event::level_name;
use super::{CRITICAL, REQUEST_ID, SECURITY};
use crate::config::LogLevel;
use crate::domain::clock::Clock;

/// One line for each event; times are UTC.
pub(super) struct TextLayer<W> {
    writer: W,
    request_id: bool,
    clock: Clock,
}

impl<W> TextLayer<W> {
    pub(super) fn new(writer: W, request_id: bool) -> Self {
        let clock = Clock::default();
        Self {
            writer,
            request_id,
            clock,
        }
    }
}

impl<S, W> Layer<S> for TextLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        if let Some(span) = ctx.lookup_current()
            && let Some(storage) = span.extensions().get::<JsonStorage<'_>>()
        {
            let fields: BTreeMap<_, _> = storage.values().iter().collect();
            for (name, value) in fields {
                if *name != REQUEST_ID || self.request_id {
                    let text = value.as_str().map(Cow::from);
                    line.add(name, &text.unwrap_or_else(|| value.to_string().into()));
                }
            }
        }
        let text = format!(
            "{} [{}] {}\n",
            self.clock.now().format("%Y-%m-%d %H:%M:%S"),
            level(event.metadata()),
            line.finish(event.metadata().target()),
        );
        // There is nobody left to tell that the log cannot be written.
        let _ = self.writer.make_writer().write_all(text.as_bytes());
    }
}

fn level(meta: &Metadata<'_>) -> &'static str {
    level_name(match *meta.level() {
        Level::ERROR if meta.name() == CRITICAL => LogLevel::Critical,
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warning,
        Level::INFO => LogLevel::Info,
        Level::DEBUG | Level::TRACE => LogLevel::Debug,
    })
}

/// What the visitor gathers of an event, in the order of its fields.
#[derive(Default)]
struct Line {
    event: Option<String>,
    message: String,
    facts: Vec<String>,
    /// Whether the last fact is a number of tries, so that a limit belongs behind it.
    after_attempt: bool,
}

impl Line {
    fn add(&mut self, name: &str, value: &str) {
        let after_attempt = std::mem::replace(&mut self.after_attempt, name == "attempt_number");
        match name {
            "event" => self.event = Some(escape(value)),
            "message" => self.message = escape(value),
            SECURITY => {}
            "limit" if after_attempt => {
                if let Some(attempt) = self.facts.last_mut() {
                    attempt.push('/');
                    attempt.push_str(&quote(value));
                }
            }
            _ => {
                let label = match name {
                    "attempt_number" => "attempt",
                    "ip_address" => "IP",
                    _ => name,
                };
                let text = format!("{label}: {}", quote(value));
                // The email address comes first, although the IP address is recorded first.
                let position = if name == "email" { 0 } else { self.facts.len() };
                self.facts.insert(position, text);
            }
        }
    }

    fn finish(self, target: &str) -> String {
        let event = self.event.as_deref().unwrap_or(target);
        if self.facts.is_empty() {
            format!("{event} - {}", self.message)
        } else {
            format!("{event} - {} ({})", self.message, self.facts.join(", "))
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), &format!("{value:?}"));
    }
}

/// Makes visible whatever could end the line, command a terminal or reverse the text.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => escaped.push(c),
            _ => escaped.extend(c.escape_debug()),
        }
    }
    escaped
}

/// Escapes a value, and quotes it if it could be taken for more than one.
fn quote(value: &str) -> String {
    if value.contains(['"', ',', '(', ')']) {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{}\"", escape(&value))
    } else {
        escape(value)
    }
}
