//! JSON lines: bunyan's, with our levels and without what says nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{Event, Metadata, Subscriber};
use tracing_bunyan_formatter::BunyanFormattingLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::{CRITICAL, REQUEST_ID, TARGET};

/// Bunyan's `fatal`, which tracing has no level for.
const FATAL: u16 = 60;

/// One object a line for each event, and none for spans that begin or end.
pub(super) struct JsonLayer<W>(BunyanFormattingLayer<FinishLines<W>>)
where
    W: for<'a> MakeWriter<'a> + 'static;

impl<W: for<'a> MakeWriter<'a> + 'static> JsonLayer<W> {
    pub(super) fn new(writer: W, request_id: bool) -> Self {
        let lines = FinishLines { writer, request_id };
        Self(BunyanFormattingLayer::new("gatelodge".to_owned(), lines))
    }
}

impl<S, W> Layer<S> for JsonLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        self.0.on_event(event, ctx);
    }
}

/// Puts the last touches to each line that bunyan's formatter writes.
struct FinishLines<W> {
    writer: W,
    request_id: bool,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for FinishLines<W> {
    type Writer = FinishLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        FinishLine {
            writer: self.writer.make_writer(),
            is_critical: false,
            is_ours: false,
            request_id: self.request_id,
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        FinishLine {
            is_critical: meta.name() == CRITICAL,
            is_ours: meta.target() == TARGET,
            ..self.make_writer()
        }
    }
}

struct FinishLine<W> {
    writer: W,
    is_critical: bool,
    is_ours: bool,
    request_id: bool,
}

/// A line: bunyan's core fields in a fixed order, then the others by name.
#[derive(Serialize, Deserialize)]
struct Line {
    time: String,
    level: u16,
    msg: String,
    v: u8,
    pid: u32,
    hostname: String,
    name: String,
    #[serde(flatten)]
    fields: BTreeMap<String, Value>,
}

impl<W: Write> Write for FinishLine<W> {
    /// Takes a whole line, as bunyan's formatter hands it over.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut line: Line = serde_json::from_slice(bytes)?;
        if self.is_critical {
            line.level = FATAL;
        }
        line.msg = without_span(&line.msg).to_owned();
        line.fields.remove("file");
        line.fields.remove("line");
        if self.is_ours {
            line.fields.remove("target");
        }
        if !self.request_id {
            line.fields.remove(REQUEST_ID);
        }
        let text = escape_controls(&serde_json::to_string(&line)?);
        self.writer.write_all((text + "\n").as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Bunyan's formatter puts `[SPAN - EVENT] ` before the message of an event inside a span.
fn without_span(message: &str) -> &str {
    message
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(" - EVENT] "))
        .map_or(message, |(_, message)| message)
}

/// JSON lets DEL and the C1 controls stand as they are, and terminals obey them.
fn escape_controls(json: &str) -> String {
    json.chars()
        .fold(String::with_capacity(json.len() + 1), |mut text, c| {
            if c.is_control() {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            } else {
                text.push(c);
            }
            text
        })
}
