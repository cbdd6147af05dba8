//! The one table of everything that is logged. Each row gives a struct with the event's own
//! fields; [`OperationContext::emit`] adds the client's IP address.

use std::error::Error;
use std::iter;
use std::net::IpAddr;

use tracing::{Level, dispatcher};

use super::masking::Masker;
use super::metrics::EventCounts;
use super::{CRITICAL, TARGET};
use crate::config::LogLevel;
use crate::domain::email::EmailAddress;
use crate::domain::id::{MailId, SessionId, TeamId, UserId};
use crate::domain::operation::OperationContext;

/// What is the same for all events of one name.
#[derive(Clone, Copy, Debug)]
pub struct EventInfo {
    /// The field `event`. Alerts and searches rely on it.
    pub name: &'static str,
    pub level: LogLevel,
    /// Whether it is also written to the security log.
    pub is_security: bool,
    pub fields: &'static [&'static str],
    /// When it is logged.
    pub meaning: &'static str,
}

/// An event of the table.
pub trait Event {
    const INFO: EventInfo;

    fn record(&self, masker: &Masker, ip_address: Option<IpAddr>);
}

/// A field of an event. Values that may contain personal data are masked.
///
/// Secrets are not allowed in any field: no codes, tokens, passwords or texts of mails.
trait Field {
    type Value: tracing::Value;

    fn value(&self, masker: &Masker) -> Self::Value;
}

impl Field for EmailAddress {
    type Value = String;

    fn value(&self, masker: &Masker) -> String {
        masker.email(self)
    }
}

impl Field for str {
    type Value = String;

    fn value(&self, masker: &Masker) -> String {
        masker.text(self)
    }
}

/// An error is logged with its sources.
impl Field for dyn Error + 'static {
    type Value = String;

    fn value(&self, masker: &Masker) -> String {
        masker.text(&with_sources(self))
    }
}

impl<F: Field + ?Sized> Field for &F {
    type Value = F::Value;

    fn value(&self, masker: &Masker) -> F::Value {
        F::value(self, masker)
    }
}

impl<F: Field> Field for Option<F> {
    type Value = Option<F::Value>;

    fn value(&self, masker: &Masker) -> Self::Value {
        self.as_ref().map(|field| field.value(masker))
    }
}

macro_rules! ids {
    ($($id:ty),+) => {$(
        impl Field for $id {
            type Value = String;

            fn value(&self, _: &Masker) -> String {
                self.to_string()
            }
        }
    )+};
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl Field for $number {
            type Value = Self;

            fn value(&self, _: &Masker) -> Self {
                *self
            }
        }
    )+};
}

ids!(UserId, SessionId, TeamId, MailId);
numbers!(u16, u32, i64);

macro_rules! events {
    (@security security) => { true };
    (@security) => { false };
    (@level Debug) => { Level::DEBUG };
    (@level Info) => { Level::INFO };
    (@level Warning) => { Level::WARN };
    (@level Error) => { Level::ERROR };
    (@level Critical) => { Level::ERROR };
    (@name Critical) => { CRITICAL };
    (@name $level:ident) => { "event" };
    ($(
        #[doc = $meaning:literal]
        $event:ident $(<$lifetime:lifetime>)?
        ($name:ident, $level:ident $($security:ident)?, $message:literal)
        { $($field:ident: $type:ty),* $(,)? }
    )+) => {
        $(
            #[doc = $meaning]
            pub struct $event $(<$lifetime>)? {
                $(pub $field: $type,)*
            }

            impl $(<$lifetime>)? Event for $event $(<$lifetime>)? {
                const INFO: EventInfo = EventInfo {
                    name: stringify!($name),
                    level: LogLevel::$level,
                    is_security: events!(@security $($security)?),
                    fields: &[$(stringify!($field)),*],
                    meaning: $meaning.trim_ascii(),
                };

                fn record(&self, masker: &Masker, ip_address: Option<IpAddr>) {
                    tracing::event!(
                        name: events!(@name $level),
                        target: TARGET,
                        events!(@level $level),
                        event = stringify!($name),
                        $($security = true,)?
                        ip_address = ip_address.map(|ip| masker.ip(ip)),
                        $($field = self.$field.value(masker),)*
                        $message
                    );
                }
            }
        )+

        /// Every event, in the order of the table.
        pub const ALL: &[EventInfo] = &[$($event::INFO,)+];

        #[cfg(test)]
        pub fn emit_all() {
            use super::tests::Sample;

            $(emit($event { $($field: Sample::sample()),* });)+
        }
    };
}

events! {
    /// A sign-up code was created and its mail was queued.
    SignupCodeRequested<'a>(signup_code_requested, Info, "Sign-up code requested") { email: &'a EmailAddress }
    /// A sign-up code was requested for an email address that has an account.
    SignupRefusedEmailTaken<'a>(signup_refused_email_taken, Warning security, "Sign-up refused: the email address has an account") { email: &'a EmailAddress }
    /// A wrong sign-up code was submitted.
    SignupFailedInvalidCode<'a>(signup_failed_invalid_code, Warning security, "Invalid sign-up code") { email: &'a EmailAddress, purpose: &'static str, attempt_number: Option<u32>, limit: Option<u32> }
    /// A user signed up with a code. The account exists and its email address is verified.
    UserSignupSuccess<'a>(user_signup_success, Info, "User signed up and verified") { email: &'a EmailAddress, user_id: UserId }
    /// An account was created by registration or by the administrator.
    AccountCreated<'a>(account_created, Info, "Account created") { email: &'a EmailAddress, user_id: UserId }
    /// A login code was created and its mail was queued.
    LoginCodeRequested<'a>(login_code_requested, Info, "Login code requested") { email: &'a EmailAddress }
    /// A login code or reset link was requested for an email address that has no account.
    LoginRefusedUnknownAccount<'a>(login_refused_unknown_account, Warning security, "Login refused: no such account") { email: &'a EmailAddress }
    /// Someone tried to sign in to a disabled account.
    LoginRefusedDisabledAccount<'a>(login_refused_disabled_account, Warning security, "Login refused: the account is disabled") { email: &'a EmailAddress, user_id: UserId }
    /// A wrong login code was submitted.
    LoginFailedInvalidCode<'a>(login_failed_invalid_code, Warning security, "Invalid login code") { email: &'a EmailAddress, purpose: &'static str, attempt_number: Option<u32>, limit: Option<u32> }
    /// A user signed in with a code or a password.
    UserLoginSuccess<'a>(user_login_success, Info, "User logged in") { email: &'a EmailAddress, user_id: UserId }
    /// A wrong code was submitted to verify or change an email address.
    VerificationFailedInvalidCode<'a>(verification_failed_invalid_code, Warning security, "Invalid verification code") { email: &'a EmailAddress, purpose: &'static str, attempt_number: Option<u32>, limit: Option<u32> }
    /// A password login failed: unknown email address, no password, or a wrong password.
    LoginFailedInvalidCredentials<'a>(login_failed_invalid_credentials, Warning security, "Invalid email address or password") { email: &'a EmailAddress }
    /// A password reset link was requested.
    PasswordResetRequested<'a>(password_reset_requested, Info security, "Password reset requested") { email: &'a EmailAddress }
    /// A reset link was used that is unknown, used or expired.
    PasswordResetFailed(password_reset_failed, Warning security, "Invalid reset link") {}
    /// A password was reset with a link; all sessions of the user were revoked.
    PasswordReset<'a>(password_reset, Info security, "Password reset") { email: &'a EmailAddress, user_id: UserId }
    /// A signed-in user changed the password; all other sessions were revoked.
    PasswordChanged<'a>(password_changed, Info security, "Password changed") { email: &'a EmailAddress, user_id: UserId }
    /// A signed-in user submitted a wrong current password.
    PasswordChangeFailed<'a>(password_change_failed, Warning security, "Wrong current password") { email: &'a EmailAddress, user_id: UserId }
    /// A user verified their email address.
    EmailVerified<'a>(email_verified, Info, "Email address verified") { email: &'a EmailAddress, user_id: UserId }
    /// A signed-in user requested a new email address.
    EmailChangeRequested<'a>(email_change_requested, Info security, "Email address change requested") { email: &'a EmailAddress, user_id: UserId }
    /// A user's email address was changed.
    EmailChanged<'a>(email_changed, Info security, "Email address changed") { email: &'a EmailAddress, user_id: UserId }
    /// A user deleted their account.
    AccountDeleted<'a>(account_deleted, Info security, "Account deleted") { email: &'a EmailAddress, user_id: UserId }
    /// The administrator granted or removed superuser rights.
    AccountPromoted<'a>(account_promoted, Info security, "Superuser rights changed") { email: &'a EmailAddress, user_id: UserId, reason: &'static str }
    /// The administrator disabled an account; its sessions were revoked.
    AccountDisabled<'a>(account_disabled, Info security, "Account disabled") { email: &'a EmailAddress, user_id: UserId }
    /// The administrator enabled an account again.
    AccountEnabled<'a>(account_enabled, Info security, "Account enabled") { email: &'a EmailAddress, user_id: UserId }
    /// A team was created.
    TeamCreated(team_created, Info, "Team created") { user_id: UserId, team_id: TeamId }
    /// A team's name or description was changed.
    TeamUpdated(team_updated, Info, "Team updated") { user_id: UserId, team_id: TeamId }
    /// A team was deleted, with its memberships and invitations.
    TeamDeleted(team_deleted, Info security, "Team deleted") { user_id: UserId, team_id: TeamId }
    /// An email address was invited to a team, or the invitation was renewed.
    TeamInvitationSent<'a>(team_invitation_sent, Info, "Invited to a team") { email: &'a EmailAddress, user_id: UserId, team_id: TeamId }
    /// An invitation was accepted.
    TeamInvitationAccepted(team_invitation_accepted, Info, "Invitation accepted") { user_id: UserId, team_id: TeamId }
    /// An invitation was declined.
    TeamInvitationDeclined<'a>(team_invitation_declined, Info, "Invitation declined") { email: &'a EmailAddress, team_id: TeamId }
    /// An admin revoked an invitation.
    TeamInvitationRevoked<'a>(team_invitation_revoked, Info, "Invitation revoked") { email: &'a EmailAddress, user_id: UserId, team_id: TeamId }
    /// An invitation link was used that is unknown, closed or expired.
    TeamInvitationRejected(team_invitation_rejected, Warning security, "Invalid invitation") {}
    /// A user was added to a team by an admin.
    TeamMemberAdded(team_member_added, Info, "Member added") { user_id: UserId, team_id: TeamId, reason: &'static str }
    /// A member's role was changed.
    TeamRoleChanged(team_role_changed, Info security, "Role changed") { user_id: UserId, team_id: TeamId, reason: &'static str }
    /// A member was removed by an admin, or left.
    TeamMemberRemoved(team_member_removed, Info, "Member removed") { user_id: UserId, team_id: TeamId, reason: &'static str }
    /// A code was submitted after it expired.
    ExpiredCodeTried<'a>(expired_code_tried, Warning security, "Expired code submitted") { email: &'a EmailAddress, purpose: &'static str, attempt_number: Option<u32>, limit: Option<u32> }
    /// A code was submitted that was already used.
    UsedCodeTried<'a>(used_code_tried, Warning security, "Used code submitted") { email: &'a EmailAddress, purpose: &'static str, attempt_number: Option<u32>, limit: Option<u32> }
    /// What was submitted cannot be a code: wrong length or characters.
    InvalidCodeFormat<'a>(invalid_code_format, Warning security, "Malformed code submitted") { email: &'a EmailAddress, purpose: &'static str, attempt_number: Option<u32>, limit: Option<u32> }
    /// A code was submitted after its last attempt.
    CodeAttemptsExhausted<'a>(code_attempts_exhausted, Warning security, "No attempts left for this code") { email: &'a EmailAddress, purpose: &'static str, attempt_number: Option<u32>, limit: Option<u32> }
    /// An email address, network, user or team exceeded a rate limit.
    RateLimitExceeded<'a>(rate_limit_exceeded, Warning security, "Rate limit exceeded") { email: Option<&'a EmailAddress>, limit: u32, period: &'static str, retry_after_seconds: i64, reason: &'static str }
    /// Many wrong codes for one email address within an hour, from any network.
    SuspiciousCodesForAddress<'a>(suspicious_codes_for_address, Error security, "Many wrong codes for one email address") { email: &'a EmailAddress, limit: u32, period: &'static str }
    /// Many wrong codes from one network within an hour, for any email address.
    SuspiciousCodesFromIp(suspicious_codes_from_ip, Error security, "Many wrong codes from one network") { limit: u32, period: &'static str }
    /// Many failed password logins for one email address within an hour, from any network.
    SuspiciousLoginsForAddress<'a>(suspicious_logins_for_address, Error security, "Many failed logins for one email address") { email: &'a EmailAddress, limit: u32, period: &'static str }
    /// Many failed password logins from one network within an hour, for any email address.
    SuspiciousLoginsFromIp(suspicious_logins_from_ip, Error security, "Many failed logins from one network") { limit: u32, period: &'static str }
    /// Many used or expired codes submitted for one email address within an hour.
    SuspiciousDeadCodesForAddress<'a>(suspicious_dead_codes_for_address, Error security, "Many used or expired codes for one email address") { email: &'a EmailAddress, limit: u32, period: &'static str }
    /// Many used or expired codes submitted from one network within an hour.
    SuspiciousDeadCodesFromIp(suspicious_dead_codes_from_ip, Error security, "Many used or expired codes from one network") { limit: u32, period: &'static str }
    /// One network requested codes or reset links for many email addresses within an hour.
    SuspiciousAddressesFromIp(suspicious_addresses_from_ip, Error security, "Codes for many email addresses requested from one network") { limit: u32, period: &'static str }
    /// An access token was issued.
    TokenIssued(token_issued, Info, "Access token issued") { user_id: UserId, session_id: SessionId }
    /// An access token was rejected: malformed, forged or expired, or its session or account is no longer active.
    TokenRejected(token_rejected, Warning security, "Access token rejected") { user_id: Option<UserId>, session_id: Option<SessionId>, reason: &'static str }
    /// A session was extended with its refresh token.
    SessionRefreshed(session_refreshed, Info, "Session refreshed") { user_id: UserId, session_id: SessionId }
    /// A refresh token was rejected: malformed or forged, or its session is no longer active.
    RefreshTokenRejected(refresh_token_rejected, Warning security, "Refresh token rejected") { session_id: Option<SessionId>, reason: &'static str }
    /// A refresh token that was already replaced was used again, so it was copied; the session was revoked.
    RefreshTokenReuse(refresh_token_reuse, Error security, "Old refresh token reused: session revoked") { user_id: UserId, session_id: SessionId }
    /// A session was revoked, by signing out or for the given reason.
    SessionRevoked(session_revoked, Info, "Session revoked") { user_id: UserId, session_id: SessionId, reason: &'static str }
    /// A provider accepted a mail.
    EmailSent<'a>(email_sent, Info, "Mail sent") { email: &'a EmailAddress, user_id: Option<UserId>, mail_id: MailId, kind: &'static str, provider: &'a str, attempt_number: u32, detail: Option<&'a str> }
    /// A mail could not be sent; it will be tried again.
    EmailSendFailed<'a>(email_send_failed, Error, "Sending a mail failed") { email: &'a EmailAddress, user_id: Option<UserId>, mail_id: MailId, kind: &'static str, provider: &'a str, attempt_number: u32, retry_after_seconds: i64, detail: &'a str }
    /// A mail was given up after its last attempt or a permanent refusal.
    EmailDead<'a>(email_dead, Error, "Mail given up") { email: &'a EmailAddress, user_id: Option<UserId>, mail_id: MailId, kind: &'static str, provider: &'a str, attempt_number: u32, detail: &'a str }
    /// A mail was not sent because its code or link was used, replaced or expired.
    EmailCancelled<'a>(email_cancelled, Info, "Mail not sent: its code or link is no longer valid") { email: &'a EmailAddress, mail_id: MailId, kind: &'static str }
    /// Rows older than `DATA_RETENTION_DAYS` were deleted; the detail counts them.
    RetentionCleaned<'a>(retention_cleaned, Info, "Old data deleted") { detail: &'a str }
    /// Deleting old rows failed; it will be tried again within minutes.
    RetentionFailed<'a>(retention_failed, Error, "Deleting old data failed") { error: &'a (dyn Error + 'static) }
    /// A request was answered.
    RequestServed<'a>(request_served, Debug, "Request served") { status: u16, detail: &'a str }
    /// A request was refused before it was executed: malformed, too large, or of the wrong type.
    RequestRefused<'a>(request_refused, Warning, "Request refused") { status: u16, reason: Option<&'a str>, detail: &'a str }
    /// Something failed that the client did not cause; a request was answered with INTERNAL.
    InternalError<'a>(internal_error, Error, "Internal error") { user_id: Option<UserId>, mail_id: Option<MailId>, reason: Option<&'a str>, error: &'a (dyn Error + 'static), detail: Option<&'a str> }
    /// The code panicked.
    Panicked<'a>(panicked, Error, "Panic") { detail: &'a str, stack_trace: &'a str }
    /// The process could not start.
    StartFailed<'a>(start_failed, Critical, "Cannot start") { error: &'a (dyn Error + 'static) }
    /// The server accepts requests.
    ServerStarted<'a>(server_started, Info, "Server started") { detail: Option<&'a str> }
    /// The process was told to stop and completes the requests in progress.
    ServerStopping(server_stopping, Info, "Server stopping") {}
    /// The process has stopped.
    ServerStopped(server_stopped, Info, "Server stopped") {}
    /// A new certificate replaced the one in use.
    CertificateReloaded(certificate_reloaded, Info, "Certificate reloaded") {}
    /// A new certificate or key is not usable; the previous one stays in use.
    CertificateReloadFailed<'a>(certificate_reload_failed, Error, "New certificate is not usable") { error: &'a (dyn Error + 'static) }
    /// `MAX_CONNECTIONS` are open: idle ones are closed, new ones wait.
    ConnectionLimitReached(connection_limit_reached, Warning, "Connection limit reached") {}
    /// Connections cannot be accepted, usually because file descriptors ran out.
    AcceptFailed<'a>(accept_failed, Error, "Cannot accept connections") { error: &'a (dyn Error + 'static) }
    /// A worker is ready for jobs.
    WorkerStarted<'a>(worker_started, Info, "Worker started") { detail: &'a str }
    /// A worker ended unexpectedly and was replaced.
    WorkerRestarted<'a>(worker_restarted, Warning, "Worker restarted") { reason: Option<&'a str>, detail: &'a str }
    /// The queue is unavailable; mail waits in the outbox.
    QueueUnavailable<'a>(queue_unavailable, Error, "Queue unavailable") { error: &'a (dyn Error + 'static) }
    /// The queue is available again.
    QueueAvailable(queue_available, Info, "Queue available again") {}
    /// The worker had to stop before all work was done.
    WorkerStopped<'a>(worker_stopped, Warning, "Worker stopped early") { reason: &'a str }
    /// The cache is unavailable; the database is asked instead.
    CacheUnavailable<'a>(cache_unavailable, Warning, "Cache unavailable") { error: &'a (dyn Error + 'static) }
    /// The shared rate limiter is unavailable; each process counts on its own.
    LimiterDegraded(limiter_degraded, Warning, "Rate limits counted per process") {}
    /// The database is unavailable; logged once per outage.
    DatabaseUnavailable<'a>(database_unavailable, Critical, "Database unavailable") { error: &'a (dyn Error + 'static) }
    /// The database is available again.
    DatabaseAvailable<'a>(database_available, Info, "Database available again") { detail: &'a str }
    /// A worker could not write its heartbeat to the database.
    WorkerHeartbeatFailed<'a>(worker_heartbeat_failed, Warning, "Worker heartbeat failed") { error: &'a (dyn Error + 'static) }
    /// Metrics and health checks are served on a listener of their own.
    MetricsStarted<'a>(metrics_started, Info, "Metrics listener started") { detail: &'a str }
    /// The log collector does not accept records; logged once per outage.
    ExternalLoggingFailed<'a>(external_logging_failed, Warning, "Log export failed") { error: &'a (dyn Error + 'static) }
    /// The log collector accepts records again.
    ExternalLoggingAvailable(external_logging_available, Info, "Log export works again") {}
    /// A note about the configuration that requires no change.
    ConfigNote<'a>(config_note, Info, "Configuration note") { detail: &'a str }
    /// A setting is unknown, or accepted but unwise.
    ConfigWarning<'a>(config_warning, Warning, "Check the configuration") { detail: &'a str }
}

impl<'a> InternalError<'a> {
    pub fn new(error: &'a (dyn Error + 'static)) -> Self {
        Self {
            user_id: None,
            mail_id: None,
            reason: None,
            error,
            detail: None,
        }
    }
}

impl OperationContext {
    /// Logs an event of this operation.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers build the event in place"
    )]
    pub fn emit(&self, event: impl Event) {
        write(&event, self.ip_address());
    }
}

/// Logs an event that belongs to no operation.
#[expect(
    clippy::needless_pass_by_value,
    reason = "callers build the event in place"
)]
pub fn emit(event: impl Event) {
    write(&event, None);
}

/// Without a [subscriber](super::subscriber) of this module, nothing happens.
fn write<E: Event>(event: &E, ip_address: Option<IpAddr>) {
    // Cloned, because tracing has no current dispatcher inside of `get_default`.
    let dispatch = dispatcher::get_default(Clone::clone);
    if let Some(counts) = dispatch.downcast_ref::<EventCounts>() {
        counts.count(&E::INFO);
    }
    if let Some(masker) = dispatch.downcast_ref::<Masker>() {
        event.record(masker, ip_address);
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

/// The text of `docs/events.md`.
pub fn event_table_markdown() -> String {
    let header = "# Events\n\n\
         Every line that Gatelodge itself logs has one of these names in its field `event`.\n\
         Security events are also written to `SECURITY_LOG_FILE`, regardless of `LOG_LEVEL`, and\n\
         have `\"security\": true` in JSON. Events of a request have `ip_address` and `request_id`\n\
         besides their own fields. A field without a value is left out.\n\n\
         | event | level | security | fields | meaning |\n|---|---|---|---|---|\n";
    let rows = ALL.iter().map(|event| {
        let EventInfo {
            name,
            level,
            meaning,
            ..
        } = event;
        let security = if event.is_security { "yes" } else { "" };
        let fields = event.fields.iter().map(|field| format!("`{field}`"));
        let fields = fields.collect::<Vec<_>>().join(", ");
        let level = level_name(*level);
        format!("| `{name}` | {level} | {security} | {fields} | {meaning} |\n")
    });
    iter::once(header.to_owned()).chain(rows).collect()
}

/// The name of a level as settings and text logs spell it.
pub(super) fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "DEBUG",
        LogLevel::Info => "INFO",
        LogLevel::Warning => "WARNING",
        LogLevel::Error => "ERROR",
        LogLevel::Critical => "CRITICAL",
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// `docs/events.md` is printed from the table; when this fails, run `scripts/generate`.
    #[test]
    fn the_documented_table_is_fresh() {
        let fresh = event_table_markdown();
        let committed = include_str!("../../docs/events.md");
        assert!(committed == fresh, "docs/events.md should be:\n{fresh}");
    }

    /// The guide to the logs only names events that exist.
    #[test]
    fn the_guide_names_existing_events() {
        let guide = include_str!("../../docs/logging.md");
        let (_, requirements) = guide
            .split_once("## Requirements and their events")
            .unwrap();
        let (_, alerts) = guide.split_once("## What to alert on").unwrap();
        let rows = alerts.lines().filter(|line| line.starts_with("| "));
        let rows = rows.chain(requirements.lines().filter(|line| line.starts_with("| ")));
        let named = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
        let mut checked = 0;
        for name in named.filter(|name| !name.contains(['…', '='])) {
            let is_other = name == "stack_trace"
                || name == "request_id"
                || name == "error"
                || name.starts_with("gatelodge_");
            let exists = ALL.iter().any(|event| event.name == name);
            assert!(exists || is_other, "{name}");
            checked += usize::from(exists);
        }
        assert!(checked > 60, "{checked}");
    }

    /// Alerts and searches match names, so they are unique.
    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|event| event.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    /// The names and levels that the requirements specify.
    #[test]
    fn the_promised_events_have_their_levels() {
        for (name, level) in [
            ("user_signup_success", LogLevel::Info),
            ("login_failed_invalid_code", LogLevel::Warning),
            ("rate_limit_exceeded", LogLevel::Warning),
            ("email_send_failed", LogLevel::Error),
            ("database_unavailable", LogLevel::Critical),
        ] {
            let event = ALL.iter().find(|event| event.name == name);
            assert_eq!(event.map(|event| event.level), Some(level), "{name}");
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot send")]
    struct Outer(#[source] io::Error);

    #[test]
    fn an_error_is_logged_with_its_cause() {
        let error = Outer(io::Error::other("connection timed out"));
        assert_eq!(with_sources(&error), "cannot send: connection timed out");
        let same = io::Error::other(Outer(io::Error::other("x")));
        assert_eq!(with_sources(&same), "cannot send: x");
    }
}
