//! Whole lines, as they come out of a subscriber with everything in place.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

use super::*;
use crate::config::{LogFileConfig, Masking};
use crate::domain::email::EmailAddress;
use crate::domain::id::{MailId, SessionId, TeamId, UserId};
use crate::domain::operation::{Client, OperationContext};

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn json(&self) -> Vec<Value> {
        let text = self.text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Memory {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn config(format: LogFormat) -> LogConfig {
    LogConfig {
        level: LogLevel::Info,
        format,
        console: true,
        file: None,
        security_file: None,
        external: None,
        mask_emails: Masking::Off,
        mask_ips: Masking::Off,
        request_id: true,
    }
}

/// What the console and the security log say of what `run` does.
fn logged(config: &LogConfig, run: impl FnOnce()) -> (Memory, Memory) {
    let (console, security) = (Memory::default(), Memory::default());
    let outputs = Outputs {
        console: Some(console.clone()),
        file: None,
        security_file: Some(security.clone()),
        external: None,
    };
    tracing::subscriber::with_default(subscriber(config, [7; 32], outputs), run);
    (console, security)
}

fn ada() -> EmailAddress {
    EmailAddress::parse("ada@example.com").unwrap()
}

fn user_id() -> UserId {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

fn request() -> OperationContext {
    let client = Client::new([192, 0, 2, 1].into(), None);
    OperationContext {
        client: Some(client),
        request_id: Some("req".to_owned()),
        session: None,
    }
}

fn sign_up() {
    request().emit(event::UserSignupSuccess {
        email: &ada(),
        user_id: user_id(),
    });
}

/// Any value of a field, to emit every event.
pub(super) trait Sample {
    fn sample() -> Self;
}

impl Sample for &EmailAddress {
    fn sample() -> Self {
        Box::leak(Box::new(ada()))
    }
}

impl Sample for &str {
    fn sample() -> Self {
        "x"
    }
}

impl Sample for &(dyn Error + 'static) {
    fn sample() -> Self {
        &fmt::Error
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample() -> Self {
        Some(T::sample())
    }
}

macro_rules! samples {
    ($($type:ty),+ => $value:expr) => {$(
        impl Sample for $type {
            fn sample() -> Self {
                Self::from($value)
            }
        }
    )+};
}

samples!(UserId, SessionId, TeamId, MailId => Uuid::nil());
samples!(u16, u32, i64 => 1_u16);

/// Text without its time, which is checked to be one.
fn untimed(console: &Memory) -> Vec<String> {
    let text = console.text();
    text.lines()
        .map(|line| {
            let (time, rest) = line.split_at(19);
            chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S").unwrap();
            rest.trim_start().to_owned()
        })
        .collect()
}

#[test]
fn a_json_line_is_bunyans_with_our_fields() {
    let (console, _) = logged(&config(LogFormat::Json), || {
        request_span("req-1").in_scope(sign_up);
    });
    let lines = console.json();
    assert_eq!(lines.len(), 1, "no lines for the span: {}", console.text());
    let mut line = lines[0].clone();
    let core = line.as_object_mut().unwrap();
    let time = core.remove("time").unwrap();
    chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap();
    assert_eq!(core.remove("pid").unwrap(), std::process::id());
    assert_ne!(core.remove("hostname").unwrap(), "");
    assert_eq!(
        line,
        json!({
            "level": 30,
            "msg": "User signed up and verified",
            "v": 0,
            "name": "gatelodge",
            "event": "user_signup_success",
            "email": "ada@example.com",
            "ip_address": "192.0.2.1",
            "user_id": user_id().to_string(),
            "request_id": "req-1",
        })
    );
}

#[test]
fn a_text_line_reads_well() {
    let (console, _) = logged(&config(LogFormat::Text), || {
        sign_up();
        request_span("req-2").in_scope(|| {
            request().emit(event::LoginFailedInvalidCode {
                email: &ada(),
                purpose: "login",
                attempt_number: Some(2),
                limit: Some(5),
            });
        });
        event::emit(event::RateLimitExceeded {
            email: None,
            limit: 5,
            period: "1 hour",
            retry_after_seconds: 60,
            reason: "code_requests",
        });
        let error = io::Error::other("SMTP connection timed out");
        event::emit(event::RetentionFailed { error: &error });
        event::emit(event::DatabaseUnavailable { error: &error });
    });
    let signed_up = format!(
        "[INFO] user_signup_success - User signed up and verified \
         (email: ada@example.com, IP: 192.0.2.1, user_id: {})",
        user_id()
    );
    assert_eq!(
        untimed(&console),
        [
            signed_up.as_str(),
            "[WARNING] login_failed_invalid_code - Invalid login code \
             (email: ada@example.com, IP: 192.0.2.1, purpose: login, attempt: 2/5, \
             request_id: req-2)",
            "[WARNING] rate_limit_exceeded - Rate limit exceeded \
             (limit: 5, period: 1 hour, retry_after_seconds: 60, reason: code_requests)",
            "[ERROR] retention_failed - Deleting old data failed \
             (error: SMTP connection timed out)",
            "[CRITICAL] database_unavailable - Database unavailable \
             (error: SMTP connection timed out)",
        ]
    );
}

#[test]
fn levels_are_bunyans_and_critical_is_fatal() {
    let levels = [
        (LogLevel::Debug, 20),
        (LogLevel::Info, 30),
        (LogLevel::Warning, 40),
        (LogLevel::Error, 50),
        (LogLevel::Critical, 60),
    ];
    for (position, (level, _)) in levels.into_iter().enumerate() {
        let config = LogConfig {
            level,
            ..config(LogFormat::Json)
        };
        let (console, _) = logged(&config, event::emit_all);
        let expected: Vec<_> = event::ALL
            .iter()
            .filter_map(|event| {
                let shown = &levels[position..];
                let (_, number) = shown.iter().find(|(level, _)| *level == event.level)?;
                Some((event.name.to_owned(), *number))
            })
            .collect();
        let lines: Vec<_> = console
            .json()
            .iter()
            .map(|line| {
                let event = line["event"].as_str().unwrap().to_owned();
                (event, line["level"].as_u64().unwrap())
            })
            .collect();
        assert_eq!(lines, expected, "{level:?}");
    }
}

/// Other crates' statements, headers and payloads stay out, at every level.
#[test]
fn other_crates_may_warn_and_no_more() {
    for level in [LogLevel::Info, LogLevel::Debug] {
        let config = LogConfig {
            level,
            ..config(LogFormat::Json)
        };
        let (console, security) = logged(&config, || {
            tracing::info!(target: "sqlx::query", "SELECT 1");
            tracing::debug!(target: "async_graphql::graphql", "execute");
            tracing::warn!(target: "sqlx::query", rows = 3, "slow statement");
        });
        let lines = console.json();
        assert_eq!(lines.len(), 1, "{}", console.text());
        assert_eq!(lines[0]["msg"], "slow statement");
        assert_eq!(lines[0]["target"], "sqlx::query");
        assert_eq!(lines[0]["rows"], 3);
        assert_eq!(security.text(), "");
    }
}

#[test]
fn personal_data_is_masked_in_every_format() {
    let run = || {
        request().emit(event::EmailSendFailed {
            email: &ada(),
            user_id: None,
            mail_id: MailId::from(Uuid::nil()),
            kind: "login_code",
            provider: "smtp",
            attempt_number: 1,
            retry_after_seconds: 5,
            detail: "550 unknown: <ada@example.com>",
        });
    };
    for format in [LogFormat::Json, LogFormat::Text] {
        let shown = |masking| {
            let config = LogConfig {
                mask_emails: masking,
                mask_ips: masking,
                ..config(format)
            };
            logged(&config, run).0.text()
        };
        let off = shown(Masking::Off);
        assert_eq!(off.matches("ada@example.com").count(), 2, "{off}");
        assert!(off.contains("192.0.2.1"), "{off}");
        let masked = shown(Masking::Mask);
        assert_eq!(masked.matches("a***@example.com").count(), 2, "{masked}");
        assert!(masked.contains("192.0.2.0"), "{masked}");
        for hidden in [masked, shown(Masking::Hash)] {
            assert!(!hidden.contains("ada@"), "{hidden}");
            assert!(!hidden.contains("192.0.2.1"), "{hidden}");
        }
    }
}

/// Nothing that comes from outside can end a line, forge one, or command a terminal.
#[test]
fn lines_cannot_be_forged() {
    let forged = "x\n2024-01-15 10:30:45 [INFO] user_login_success - \r\u{1b}[2K\u{9b}1A\u{202e}";
    let run = || {
        request_span(forged).in_scope(|| {
            event::emit(event::RequestRefused {
                status: 400,
                reason: Some(forged),
                detail: "a, user_id: 1)",
            });
            tracing::warn!("{forged}");
        });
    };
    let (console, _) = logged(&config(LogFormat::Text), run);
    let text = console.text();
    assert_eq!(text.lines().count(), 2, "{text}");
    for c in text.trim_end().replace('\n', "").chars() {
        assert!(!c.is_control() && c != '\u{202e}', "{text:?}");
    }
    assert!(text.contains("detail: \"a, user_id: 1)\""), "{text}");

    let (console, _) = logged(&config(LogFormat::Json), run);
    let text = console.text();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        !text.replace('\n', "").contains(char::is_control),
        "{text:?}"
    );
    assert_eq!(console.json()[0]["reason"], forged);
    assert_eq!(console.json()[1]["msg"], forged);
}

/// Even when the level of the main log hides them there.
#[test]
fn the_security_log_has_all_security_events_and_no_others() {
    let config = LogConfig {
        level: LogLevel::Critical,
        ..config(LogFormat::Json)
    };
    let (_, security) = logged(&config, || {
        request_span("req-3").in_scope(event::emit_all);
    });
    let expected: Vec<_> = event::ALL.iter().filter(|e| e.is_security).collect();
    let lines = security.json();
    assert_eq!(lines.len(), expected.len());
    for (line, event) in lines.iter().zip(expected) {
        assert_eq!(line["event"], event.name);
        assert_eq!(line["request_id"], "req-3");
        assert_eq!(line["security"], true);
    }
}

#[test]
fn the_request_id_can_be_left_out() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let config = LogConfig {
            request_id: false,
            ..config(format)
        };
        let (console, _) = logged(&config, || request_span("req-4").in_scope(sign_up));
        assert!(console.text().contains("user_signup_success"));
        assert!(!console.text().contains("req-4"), "{}", console.text());
    }
}

/// What was logged before the guard is dropped is in the file afterwards.
#[test]
fn the_guard_writes_what_is_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs/app.log");
    let mut guard = Guard::default();
    let file = RotatingFile::new(&LogFileConfig {
        path: path.clone(),
        max_bytes: 1_000_000,
        backups: 1,
        retention: None,
    });
    let outputs = Outputs {
        console: None,
        file: Some(guard.in_background("log-file", file)),
        security_file: None,
        external: None,
    };
    let subscriber = subscriber(&config(LogFormat::Text), [7; 32], outputs);
    tracing::subscriber::with_default(subscriber, || (0..500).for_each(|_| sign_up()));
    drop(guard);
    assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 500);
}

/// A panic is in the log, with its place, and not only on standard error.
#[test]
fn panics_are_logged() {
    log_panics();
    let (console, _) = logged(&config(LogFormat::Json), || {
        let result = std::panic::catch_unwind(|| panic!("the impossible"));
        assert!(result.is_err());
    });
    let line = &console.json()[0];
    assert_eq!(line["event"], "panicked");
    let detail = line["detail"].as_str().unwrap();
    assert!(detail.contains("the impossible") && detail.contains("tests.rs"));
    assert!(
        line["stack_trace"]
            .as_str()
            .unwrap()
            .contains("panics_are_logged")
    );
}
