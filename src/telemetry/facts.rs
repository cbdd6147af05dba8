//! What an event is about, and the one place where that becomes fields of a log line.

use std::error::Error;
use std::net::IpAddr;

use tracing::{Level, dispatcher};

use super::event::Event;
use super::masking::Masker;
use super::metrics::EventCounts;
use super::{CRITICAL, TARGET};
use crate::config::LogLevel;
use crate::domain::email::EmailAddress;
use crate::domain::id::{MailId, SessionId, TeamId, UserId};

/// What an event is about. What is left out leaves no field.
///
/// Secrets have no place here: no codes, tokens, passwords or texts of mails, not even in `detail`
/// or `reason`.
#[derive(Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The address concerned; masked as `MASK_EMAILS_IN_LOGS` says.
    pub email: Option<&'a EmailAddress>,
    /// The caller's network address; masked as `MASK_IP_IN_LOGS` says.
    pub ip_address: Option<IpAddr>,
    /// The account.
    pub user_id: Option<UserId>,
    /// The session.
    pub session_id: Option<SessionId>,
    /// The team.
    pub team_id: Option<TeamId>,
    /// The outbox row.
    pub mail_id: Option<MailId>,
    /// What a code proves: [`Purpose::name`](crate::domain::code::Purpose::name).
    pub purpose: Option<&'static str>,
    /// What a mail is about: [`MailKind::name`](crate::domain::mail::MailKind::name).
    pub kind: Option<&'static str>,
    /// Which try this was, from 1; the field `attempt_number`.
    pub attempt: Option<u32>,
    /// How many are allowed: tries of a code or a mail, or requests in `period`.
    pub limit: Option<u32>,
    /// The time that `limit` is for: `1 hour`.
    pub period: Option<&'static str>,
    /// When it may be, or will be, tried again.
    pub retry_after_seconds: Option<i64>,
    /// Why, in a few words.
    pub reason: Option<&'a str>,
    /// The mail provider.
    pub provider: Option<&'a str>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// What went wrong; logged with all its sources.
    pub error: Option<&'a (dyn Error + 'static)>,
    /// Anything else worth knowing.
    pub detail: Option<&'a str>,
    /// Where code stood when it failed.
    pub stack_trace: Option<&'a str>,
}

/// The facts that may hold personal data, as they are to be written.
struct Masked {
    email: Option<String>,
    ip_address: Option<String>,
    reason: Option<String>,
    error: Option<String>,
    detail: Option<String>,
}

impl Masked {
    fn new(masker: &Masker, facts: &Facts<'_>) -> Self {
        Self {
            email: facts.email.map(|email| masker.email(email)),
            ip_address: facts.ip_address.map(|ip| masker.ip(ip)),
            reason: facts.reason.map(|text| masker.text(text)),
            error: facts.error.map(|error| masker.text(&with_sources(error))),
            detail: facts.detail.map(|text| masker.text(text)),
        }
    }
}

impl Event {
    /// Writes the event to the log. Without a [subscriber](super::subscriber) of this module,
    /// nothing happens.
    #[expect(
        clippy::large_types_passed_by_value,
        reason = "call sites build the facts in place"
    )]
    pub fn emit(self, facts: Facts<'_>) {
        let masked = dispatcher::get_default(|dispatch| {
            if let Some(counts) = dispatch.downcast_ref::<EventCounts>() {
                counts.count(self);
            }
            let masker = dispatch.downcast_ref::<Masker>()?;
            Some(Masked::new(masker, &facts))
        });
        let Some(masked) = masked else { return };

        // tracing keeps level, name and the set of fields per call site, so each combination
        // needs one of its own.
        macro_rules! record {
            ($level:ident, $name:expr $(, $security:ident)?) => {
                tracing::event!(
                    name: $name,
                    target: TARGET,
                    Level::$level,
                    event = self.name(),
                    $($security = true,)?
                    email = masked.email.as_deref(),
                    ip_address = masked.ip_address.as_deref(),
                    user_id = facts.user_id.map(tracing::field::display),
                    session_id = facts.session_id.map(tracing::field::display),
                    team_id = facts.team_id.map(tracing::field::display),
                    mail_id = facts.mail_id.map(tracing::field::display),
                    purpose = facts.purpose,
                    kind = facts.kind,
                    provider = facts.provider,
                    attempt_number = facts.attempt,
                    limit = facts.limit,
                    period = facts.period,
                    retry_after_seconds = facts.retry_after_seconds,
                    status = facts.status,
                    reason = masked.reason.as_deref(),
                    error = masked.error.as_deref(),
                    detail = masked.detail.as_deref(),
                    stack_trace = facts.stack_trace,
                    "{}",
                    self.message()
                )
            };
        }
        match (self.level(), self.is_security()) {
            (LogLevel::Debug, false) => record!(DEBUG, "event"),
            (LogLevel::Debug, true) => record!(DEBUG, "event", security),
            (LogLevel::Info, false) => record!(INFO, "event"),
            (LogLevel::Info, true) => record!(INFO, "event", security),
            (LogLevel::Warning, false) => record!(WARN, "event"),
            (LogLevel::Warning, true) => record!(WARN, "event", security),
            (LogLevel::Error, false) => record!(ERROR, "event"),
            (LogLevel::Error, true) => record!(ERROR, "event", security),
            (LogLevel::Critical, false) => record!(ERROR, CRITICAL),
            (LogLevel::Critical, true) => record!(ERROR, CRITICAL, security),
        }
    }
}

/// An error and all its sources in one line. Errors that already say what their source says are
/// not repeated.
pub fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot send")]
    struct Outer(#[source] io::Error);

    #[test]
    fn an_error_is_told_with_its_cause() {
        let error = Outer(io::Error::other("connection timed out"));
        assert_eq!(with_sources(&error), "cannot send: connection timed out");
        let same = io::Error::other(Outer(io::Error::other("x")));
        assert_eq!(with_sources(&same), "cannot send: x");
    }
}
