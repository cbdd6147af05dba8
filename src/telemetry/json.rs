//! JSON lines in the bunyan format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use serde::Serialize;
use serde_json::Value;

use super::record::LogRecord;
use crate::config::LogLevel;

static HOSTNAME: LazyLock<String> =
    LazyLock::new(|| gethostname::gethostname().to_string_lossy().into_owned());

/// The core fields of the format in a fixed order, then the others by name.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: u16,
    msg: &'a str,
    v: u8,
    pid: u32,
    hostname: &'static str,
    name: &'static str,
    #[serde(flatten)]
    fields: BTreeMap<&'a str, &'a Value>,
}

const CORE_FIELDS: [&str; 7] = ["time", "level", "msg", "v", "pid", "hostname", "name"];

pub(super) fn line(record: &LogRecord) -> String {
    let target = record.target.map(Value::from);
    let fields = record.fields.iter().map(|(name, value)| (*name, value));
    let fields = target.iter().map(|target| ("target", target)).chain(fields);
    let line = Line {
        time: record
            .time
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        level: match record.level {
            LogLevel::Debug => 20,
            LogLevel::Info => 30,
            LogLevel::Warning => 40,
            LogLevel::Error => 50,
            LogLevel::Critical => 60,
        },
        msg: &record.message,
        v: 0,
        pid: std::process::id(),
        hostname: &HOSTNAME,
        name: "gatelodge",
        fields: fields
            .filter(|(name, _)| !CORE_FIELDS.contains(name))
            .collect(),
    };
    // Strings and numbers can always be written.
    escape_controls(&serde_json::to_string(&line).unwrap_or_default()) + "\n"
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
