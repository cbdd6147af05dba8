//! Mails of the outbox, the attempts to send them, and when to retry.

use chrono::Duration;
use serde::Serialize;
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::Mail;
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{MailId, UserId};

/// The state of a mail. A leased mail is `Pending` with a lease in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum MailState {
    /// To be sent, now or at its next attempt.
    Pending,
    /// Accepted by a provider.
    Sent,
    /// Given up after the last attempt; kept for an operator.
    Dead,
    /// Its code or link was no longer valid before it could be sent.
    Cancelled,
}

impl MailState {
    /// The name used in the database and by the commands.
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

#[derive(Clone, Debug)]
pub struct OutboxMail {
    /// Also the source of its `Message-ID`.
    pub id: MailId,
    pub content: Mail,
    /// [`ERASED`](Self::ERASED) once the user is deleted.
    pub recipient: EmailAddress,
    /// The user it concerns, if there is one.
    pub user_id: Option<UserId>,
    /// The code or invitation whose secret it carries.
    pub refers_to: Option<uuid::Uuid>,
    pub state: MailState,
    /// How many attempts have begun, including the current one.
    pub attempts: u32,
    /// How many of them do not count because an operator has retried it since.
    pub attempts_before: u32,
    pub next_attempt_at: Timestamp,
    pub leased_until: Option<Timestamp>,
    /// The provider of the last attempt.
    pub provider: Option<String>,
    /// The last response of a provider.
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    /// When an operator last retried it.
    pub retried_at: Option<Timestamp>,
}

/// An attempt whose result was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MailAttempt {
    /// Counted from 1. Numbers of attempts whose process ended before recording the result are
    /// missing.
    pub number: u32,
    pub started_at: Timestamp,
    /// When the result was recorded.
    pub ended_at: Timestamp,
    pub outcome: AttemptOutcome,
    /// The last provider.
    pub provider: Option<String>,
    /// The responses of providers, without secrets.
    pub error: Option<String>,
}

/// The outcome of an attempt to send a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum AttemptOutcome {
    Sent,
    /// The mail was to be tried again.
    Failed,
    /// The mail was given up.
    Dead,
    /// The mail's code or link was no longer valid; no provider was asked.
    Cancelled,
}

impl AttemptOutcome {
    /// The name used in the database and by the commands.
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

pub const BACKOFF_MAX: Duration = Duration::hours(1);
/// The delay after the first failed attempt, before jitter.
const BACKOFF_FIRST: Duration = Duration::seconds(5);

/// The delay after the `attempts`-th attempt failed: doubled from about 5 s up to an hour. `jitter`
/// is between 0 and 1 and changes it by up to 20 % either way, so that mails that failed together
/// are not all retried together.
pub fn backoff(attempts: u32, jitter: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let wait = (BACKOFF_FIRST * 2_i32.pow(doublings)).min(BACKOFF_MAX);
    let factor = 0.8 + 0.4 * jitter.clamp(0.0, 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an hour in milliseconds fits"
    )]
    #[expect(
        clippy::cast_precision_loss,
        reason = "an hour in milliseconds is exact"
    )]
    let millis = (wait.num_milliseconds() as f64 * factor) as i64;
    Duration::milliseconds(millis).min(BACKOFF_MAX)
}

/// The minimum time before a mail is given up because of transient errors: mail survives an hour
/// without a mail server.
const MIN_RETRY_TIME: Duration = Duration::minutes(75);

impl OutboxMail {
    /// Replaces the recipient when the user is deleted.
    pub const ERASED: &str = "erased";

    /// A mail that is due now.
    pub fn new(
        id: MailId,
        content: Mail,
        recipient: EmailAddress,
        user_id: Option<UserId>,
        refers_to: Option<uuid::Uuid>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            content,
            recipient,
            user_id,
            refers_to,
            state: MailState::Pending,
            attempts: 0,
            attempts_before: 0,
            next_attempt_at: now,
            leased_until: None,
            provider: None,
            last_error: None,
            created_at: now,
            sent_at: None,
            retried_at: None,
        }
    }

    pub fn is_erased(&self) -> bool {
        self.recipient.as_str() == Self::ERASED
    }

    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.state == MailState::Pending && self.leased_until.is_some_and(|until| until > now)
    }

    /// The number of attempts since it was created or last retried by an operator.
    pub fn counted_attempts(&self) -> u32 {
        self.attempts.saturating_sub(self.attempts_before)
    }

    /// Whether to give up after a transient error. If the next attempt, at `next`, would come after
    /// its code or link has expired (`valid_until`), that is now. Otherwise it is after
    /// `max_attempts` attempts, but not before 75 minutes.
    pub fn is_hopeless(
        &self,
        max_attempts: u32,
        now: Timestamp,
        next: Timestamp,
        valid_until: Option<Timestamp>,
    ) -> bool {
        let since = self.retried_at.unwrap_or(self.created_at);
        let is_too_late = valid_until.is_some_and(|end| next >= end);
        is_too_late || (self.counted_attempts() >= max_attempts && now - since >= MIN_RETRY_TIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Clock;

    fn mail(attempts: u32, written: Timestamp) -> OutboxMail {
        let recipient = EmailAddress::parse("ada@example.com").unwrap();
        let id = uuid::Uuid::nil().into();
        OutboxMail {
            attempts,
            ..OutboxMail::new(id, Mail::NoAccount {}, recipient, None, None, written)
        }
    }

    /// An hour without a mail server loses no mail, however the waits fall; and a mail is not tried
    /// for ever.
    #[test]
    fn a_mail_is_given_up_between_75_minutes_and_three_hours() {
        let written = Clock::default().now();
        for (jitter, max_attempts) in [(0.0, 1), (0.0, 8), (1.0, 1), (1.0, 8)] {
            let mut now = written;
            let mut attempts = 1;
            loop {
                let next = now + backoff(attempts, jitter);
                if mail(attempts, written).is_hopeless(max_attempts, now, next, None) {
                    break;
                }
                (now, attempts) = (next, attempts + 1);
            }
            let age = now - written;
            assert!((MIN_RETRY_TIME..Duration::hours(3)).contains(&age), "{age}");
            assert!(attempts >= 8);
        }
    }

    #[test]
    fn a_mail_is_given_up_when_the_next_try_comes_after_its_end() {
        let now = Clock::default().now();
        let mail = mail(1, now);
        let next = now + Duration::seconds(5);
        let hopeless = |end| mail.is_hopeless(8, now, next, Some(end));
        assert!(!hopeless(next + Duration::seconds(1)));
        assert!(hopeless(next));
    }

    /// Who asks for a mail again gets the whole of it: tries and time.
    #[test]
    fn a_mail_that_is_asked_for_again_begins_anew() {
        let now = Clock::default().now();
        let hour = Duration::hours(1);
        let old = mail(11, now - hour * 24);
        assert!(old.is_hopeless(8, now, now + hour, None));
        let mut again = OutboxMail {
            attempts: 12,
            attempts_before: 11,
            retried_at: Some(now),
            ..old
        };
        assert_eq!(again.counted_attempts(), 1);
        assert!(!again.is_hopeless(8, now + hour * 2, now + hour * 3, None));
        again.attempts = 19;
        assert!(!again.is_hopeless(8, now + hour, now + hour * 2, None));
        assert!(again.is_hopeless(8, now + hour * 2, now + hour * 3, None));
    }

    #[test]
    fn waits_double_from_seconds_to_an_hour() {
        let seconds: Vec<i64> = (1..=12).map(|n| backoff(n, 0.5).num_seconds()).collect();
        assert_eq!(
            seconds,
            [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
        );
        assert_eq!(backoff(1, 0.0), Duration::seconds(4));
        assert_eq!(backoff(1, 1.0), Duration::seconds(6));
        assert_eq!(backoff(u32::MAX, 1.0), BACKOFF_MAX);
    }
}
