//! Text lines, for people: `2024-01-15 10:30:45 [INFO] user_signup_success - … (email: …)`.

use std::borrow::Cow;

use super::SECURITY;
use super::event::level_name;
use super::record::LogRecord;

/// One line for each event; times are UTC.
pub(super) fn line(record: &LogRecord) -> String {
    let mut event = record.target.map(Cow::from);
    let mut fields: Vec<String> = Vec::new();
    let mut after_attempt = false;
    for (name, value) in &record.fields {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string().into(), Cow::from);
        match (*name, fields.last_mut()) {
            ("event", _) => event = Some(escape(&value).into()),
            (SECURITY, _) => {}
            ("limit", Some(attempt)) if after_attempt => {
                attempt.push('/');
                attempt.push_str(&quote(&value));
            }
            (name, _) => {
                let label = match name {
                    "attempt_number" => "attempt",
                    "ip_address" => "IP",
                    _ => name,
                };
                fields.push(format!("{label}: {}", quote(&value)));
            }
        }
        after_attempt = *name == "attempt_number";
    }
    let fields = if fields.is_empty() {
        String::new()
    } else {
        format!(" ({})", fields.join(", "))
    };
    format!(
        "{} [{}] {} - {}{fields}\n",
        record.time.format("%Y-%m-%d %H:%M:%S"),
        level_name(record.level),
        event.unwrap_or_default(),
        escape(&record.message),
    )
}

/// Escapes whatever could end the line, control a terminal or reverse the text.
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
