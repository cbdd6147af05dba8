//! The one table of everything that is logged.

use std::iter;

use crate::config::LogLevel;

macro_rules! events {
    (@flag security) => { true };
    (@flag -) => { false };
    ($(
        #[doc = $description:literal]
        $variant:ident = $name:ident, $level:ident, $flag:tt, $message:literal;
    )+) => {
        /// Something worth a line in the log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Event {
            $(#[doc = $description] $variant,)+
        }

        impl Event {
            /// Every event, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in the field `event`; part of the contract with whoever reads the logs.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($name),)+ }
            }

            /// How urgent it is.
            pub fn level(self) -> LogLevel {
                match self { $(Self::$variant => LogLevel::$level,)+ }
            }

            /// Whether it also goes to the security log.
            pub fn is_security(self) -> bool {
                match self { $(Self::$variant => events!(@flag $flag),)+ }
            }

            /// The sentence in the field `msg`. Never has anything of a request in it.
            pub fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)+ }
            }

            /// When it is logged.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)+ }.trim()
            }
        }
    };
}

events! {
    /// A sign-up code was made and its mail was put in the outbox.
    SignupCodeRequested = signup_code_requested, Info, -, "Sign-up code requested";
    /// A sign-up code was asked for with an address that has an account.
    SignupRefusedEmailTaken = signup_refused_email_taken, Warning, security, "Sign-up refused: the address has an account";
    /// A wrong sign-up code was given.
    SignupFailedInvalidCode = signup_failed_invalid_code, Warning, security, "Invalid sign-up code";
    /// A sign-up code was right and the account is there.
    UserSignupSuccess = user_signup_success, Info, -, "User signed up and verified";
    /// An account was made, by whichever way.
    AccountCreated = account_created, Info, -, "Account created";
    /// A login code was made and its mail was put in the outbox.
    LoginCodeRequested = login_code_requested, Info, -, "Login code requested";
    /// A login code was asked for with an address that has no account.
    LoginRefusedUnknownAccount = login_refused_unknown_account, Warning, security, "Login refused: no such account";
    /// Somebody tried to log in to a disabled account.
    LoginRefusedDisabledAccount = login_refused_disabled_account, Warning, security, "Login refused: the account is disabled";
    /// A wrong login code was given.
    LoginFailedInvalidCode = login_failed_invalid_code, Warning, security, "Invalid login code";
    /// A login code was right and a session began.
    UserLoginSuccess = user_login_success, Info, -, "User logged in";
    /// A wrong code was given to prove or change an address.
    VerificationFailedInvalidCode = verification_failed_invalid_code, Warning, security, "Invalid verification code";
    /// A password login failed: unknown address, no password or a wrong one.
    LoginFailedInvalidCredentials = login_failed_invalid_credentials, Warning, security, "Invalid address or password";
    /// A link to choose a new password was asked for.
    PasswordResetRequested = password_reset_requested, Info, security, "Password reset requested";
    /// A reset link was tried that is unknown, used or expired.
    PasswordResetFailed = password_reset_failed, Warning, security, "Invalid reset link";
    /// A new password was set by a reset link; all sessions ended.
    PasswordReset = password_reset, Info, security, "Password reset";
    /// A new password was set by the signed-in user; all other sessions ended.
    PasswordChanged = password_changed, Info, security, "Password changed";
    /// The signed-in user gave a wrong current password.
    PasswordChangeFailed = password_change_failed, Warning, security, "Wrong current password";
    /// The address of an account was proved.
    EmailVerified = email_verified, Info, -, "Address proved";
    /// The signed-in user asked for another address.
    EmailChangeRequested = email_change_requested, Info, security, "Change of address requested";
    /// An account has another address.
    EmailChanged = email_changed, Info, security, "Address changed";
    /// An account was erased by its user.
    AccountDeleted = account_deleted, Info, security, "Account deleted";
    /// An operator made an account a superuser, or an ordinary one again.
    AccountPromoted = account_promoted, Info, security, "Superuser right changed";
    /// An operator disabled an account; its sessions ended.
    AccountDisabled = account_disabled, Info, security, "Account disabled";
    /// An operator enabled an account again.
    AccountEnabled = account_enabled, Info, security, "Account enabled";
    /// A team was made.
    TeamCreated = team_created, Info, -, "Team created";
    /// A team's name or description was changed.
    TeamUpdated = team_updated, Info, -, "Team updated";
    /// A team was deleted, with its memberships and invitations.
    TeamDeleted = team_deleted, Info, security, "Team deleted";
    /// An address was invited to a team, or invited again.
    TeamInvitationSent = team_invitation_sent, Info, -, "Invited to a team";
    /// An invitation was accepted.
    TeamInvitationAccepted = team_invitation_accepted, Info, -, "Invitation accepted";
    /// An invitation was declined.
    TeamInvitationDeclined = team_invitation_declined, Info, -, "Invitation declined";
    /// An admin took an invitation back.
    TeamInvitationRevoked = team_invitation_revoked, Info, -, "Invitation revoked";
    /// An invitation was presented that is unknown, closed or expired.
    TeamInvitationRejected = team_invitation_rejected, Warning, security, "Invalid invitation";
    /// An account joined a team.
    TeamMemberAdded = team_member_added, Info, -, "Member added";
    /// A member's role was changed.
    TeamRoleChanged = team_role_changed, Info, security, "Role changed";
    /// A member was removed by an admin, or left.
    TeamMemberRemoved = team_member_removed, Info, -, "Member removed";
    /// A code was given after its time.
    ExpiredCodeTried = expired_code_tried, Warning, security, "Expired code tried";
    /// A code was given that had been used before.
    UsedCodeTried = used_code_tried, Warning, security, "Used code tried";
    /// What was given cannot be a code: wrong length or characters.
    InvalidCodeFormat = invalid_code_format, Warning, security, "Not the form of a code";
    /// A code was given after all its attempts were spent, or the last of them failed.
    CodeAttemptsExhausted = code_attempts_exhausted, Warning, security, "No attempts left for this code";
    /// An address or a network did something more often than it may.
    RateLimitExceeded = rate_limit_exceeded, Warning, security, "Rate limit exceeded";
    /// Many wrong codes about one address within an hour, from wherever.
    SuspiciousCodesForAddress = suspicious_codes_for_address, Error, security, "Many wrong codes for one address";
    /// Many wrong codes from one network within an hour, over all addresses.
    SuspiciousCodesFromIp = suspicious_codes_from_ip, Error, security, "Many wrong codes from one network";
    /// Many failed password logins to one address within an hour, from wherever.
    SuspiciousLoginsForAddress = suspicious_logins_for_address, Error, security, "Many failed logins to one address";
    /// Many failed password logins from one network within an hour, over all addresses.
    SuspiciousLoginsFromIp = suspicious_logins_from_ip, Error, security, "Many failed logins from one network";
    /// Many used or expired codes tried for one address within an hour.
    SuspiciousDeadCodesForAddress = suspicious_dead_codes_for_address, Error, security, "Many dead codes tried for one address";
    /// Many used or expired codes tried by one network within an hour.
    SuspiciousDeadCodesFromIp = suspicious_dead_codes_from_ip, Error, security, "Many dead codes tried from one network";
    /// One network asked for codes or reset links for many addresses within an hour.
    SuspiciousAddressesFromIp = suspicious_addresses_from_ip, Error, security, "Codes for many addresses asked for from one network";
    /// An access token was signed.
    TokenIssued = token_issued, Info, -, "Access token issued";
    /// An access token was presented that is malformed, forged or expired, or whose session or account is gone.
    TokenRejected = token_rejected, Warning, security, "Access token rejected";
    /// A session went on by its refresh token.
    SessionRefreshed = session_refreshed, Info, -, "Session refreshed";
    /// A refresh token was presented that is malformed or forged, or whose session has ended.
    RefreshTokenRejected = refresh_token_rejected, Warning, security, "Refresh token rejected";
    /// A refresh token was presented that had been replaced: it was copied, and the session was ended.
    RefreshTokenReuse = refresh_token_reuse, Error, security, "Old refresh token used again: session ended";
    /// A session was ended, by logout or for the reason given.
    SessionRevoked = session_revoked, Info, -, "Session ended";
    /// A provider took a mail.
    EmailSent = email_sent, Info, -, "Mail sent";
    /// A provider did not take a mail, which is tried again.
    EmailSendFailed = email_send_failed, Error, -, "Sending a mail failed";
    /// A mail was given up after its last attempt, or a permanent refusal.
    EmailDead = email_dead, Error, -, "Mail given up";
    /// A mail was not sent because the code it carries is used, replaced or expired.
    EmailCancelled = email_cancelled, Info, -, "Mail not sent: its code is no longer valid";
    /// What was over for longer than `DATA_RETENTION_DAYS` was deleted; the detail counts it.
    RetentionCleaned = retention_cleaned, Info, -, "Old data deleted";
    /// Deleting what is over failed; it is tried again within minutes.
    RetentionFailed = retention_failed, Error, -, "Deleting old data failed";
    /// A request was answered.
    RequestServed = request_served, Debug, -, "Request served";
    /// A request was refused before it reached a use case: malformed, too large, of a wrong type.
    RequestRefused = request_refused, Warning, -, "Request refused";
    /// A request failed through no fault of the caller, who was told INTERNAL.
    InternalError = internal_error, Error, -, "Internal error";
    /// Code met a state it holds to be impossible.
    Panicked = panicked, Error, -, "Panic";
    /// The process could not start.
    StartFailed = start_failed, Critical, -, "Cannot start";
    /// The server answers requests.
    ServerStarted = server_started, Info, -, "Server started";
    /// The process was told to stop and finishes what it has begun.
    ServerStopping = server_stopping, Info, -, "Server stopping";
    /// The process ends.
    ServerStopped = server_stopped, Info, -, "Server stopped";
    /// A certificate that was put in place of the one in use is used from now on.
    CertificateReloaded = certificate_reloaded, Info, -, "Certificate reloaded";
    /// A certificate or key was changed and cannot be used; the one before stays in use.
    CertificateReloadFailed = certificate_reload_failed, Error, -, "New certificate cannot be used";
    /// As many connections are open as `MAX_CONNECTIONS` allows: idle ones are closed, new ones wait.
    ConnectionLimitReached = connection_limit_reached, Warning, -, "No connection is free";
    /// The system gives no connection, most often for want of file descriptors.
    AcceptFailed = accept_failed, Error, -, "Cannot accept connections";
    /// A worker takes jobs.
    WorkerStarted = worker_started, Info, -, "Worker started";
    /// A worker ended unasked and was replaced.
    WorkerRestarted = worker_restarted, Warning, -, "Worker restarted";
    /// The queue cannot be reached; mail waits in the outbox.
    QueueUnavailable = queue_unavailable, Error, -, "Queue unavailable";
    /// The queue can be reached again.
    QueueAvailable = queue_available, Info, -, "Queue available again";
    /// The worker was told to stop and had to leave something behind.
    WorkerStopped = worker_stopped, Warning, -, "Worker stopped early";
    /// The cache cannot be reached; the database answers instead.
    CacheUnavailable = cache_unavailable, Warning, -, "Cache unavailable";
    /// The shared limiter cannot be reached; each process counts for itself.
    LimiterDegraded = limiter_degraded, Warning, -, "Rate limits counted per process";
    /// The database cannot be reached; told once per outage.
    DatabaseUnavailable = database_unavailable, Critical, -, "Database unavailable";
    /// The database can be reached again.
    DatabaseAvailable = database_available, Info, -, "Database available again";
    /// A worker could not leave its sign of life in the database.
    WorkerHeartbeatFailed = worker_heartbeat_failed, Warning, -, "Worker could not say that it is alive";
    /// Figures and health are served on a listener of their own.
    MetricsStarted = metrics_started, Info, -, "Metrics listener started";
    /// The collector of logs does not take them; told once per outage.
    ExternalLoggingFailed = external_logging_failed, Warning, -, "Logs cannot be sent elsewhere";
    /// The collector takes logs again.
    ExternalLoggingAvailable = external_logging_available, Info, -, "Logs are sent elsewhere again";
    /// A setting is good to know about and needs no change.
    ConfigNote = config_note, Info, -, "Good to know about the configuration";
    /// A setting is accepted but unwise, or unknown.
    ConfigWarning = config_warning, Warning, -, "Check the configuration";
}

/// The text of `docs/events.md`: every event, its level, whether it is a security event, and what
/// it means.
pub fn event_table_markdown() -> String {
    let header = "# Events\n\n\
         Every line in the log that Gatelodge writes itself has one of these names in its field\n\
         `event`. Security events go to `SECURITY_LOG_FILE` too, whatever `LOG_LEVEL` says, and\n\
         have `\"security\": true` in JSON.\n\n\
         | event | level | security | meaning |\n|---|---|---|---|\n";
    let rows = Event::ALL.iter().map(|event| {
        let security = if event.is_security() { "yes" } else { "" };
        let (name, level) = (event.name(), level_name(event.level()));
        let meaning = event.description();
        format!("| `{name}` | {level} | {security} | {meaning} |\n")
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
    use super::*;

    /// `docs/events.md` is printed from the table; when this fails, replace it by what is shown.
    #[test]
    fn the_documented_table_is_fresh() {
        let fresh = event_table_markdown();
        let committed = include_str!("../../docs/events.md");
        assert!(committed == fresh, "docs/events.md should be:\n{fresh}");
    }

    /// The guide to the logs speaks of events that there are, and the wishes' table of each.
    #[test]
    fn the_guide_names_events_that_there_are() {
        let guide = include_str!("../../docs/logging.md");
        let (_, wishes) = guide.split_once("## The wish list").unwrap();
        let (_, alerts) = guide.split_once("## What to alert on").unwrap();
        let rows = alerts.lines().filter(|line| line.starts_with("| "));
        let rows = rows.chain(wishes.lines().filter(|line| line.starts_with("| ")));
        let named = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
        let mut checked = 0;
        for name in named.filter(|name| !name.contains(['…', '='])) {
            let is_other = name == "stack_trace"
                || name == "request_id"
                || name == "error"
                || name.starts_with("gatelodge_");
            let exists = Event::ALL.iter().any(|event| event.name() == name);
            assert!(exists || is_other, "{name}");
            checked += usize::from(exists);
        }
        assert!(checked > 60, "{checked}");
    }

    /// Names are matched by alerts and searches, so they keep to one form and are never shared.
    #[test]
    fn names_are_unique_and_in_snake_case() {
        let mut names: Vec<_> = Event::ALL.iter().map(|event| event.name()).collect();
        for name in &names {
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Event::ALL.len());
    }

    /// The names and levels that the wish list spells out.
    #[test]
    fn the_promised_events_have_their_levels() {
        for (event, name, level) in [
            (
                Event::UserSignupSuccess,
                "user_signup_success",
                LogLevel::Info,
            ),
            (
                Event::LoginFailedInvalidCode,
                "login_failed_invalid_code",
                LogLevel::Warning,
            ),
            (
                Event::RateLimitExceeded,
                "rate_limit_exceeded",
                LogLevel::Warning,
            ),
            (Event::EmailSendFailed, "email_send_failed", LogLevel::Error),
            (
                Event::DatabaseUnavailable,
                "database_unavailable",
                LogLevel::Critical,
            ),
        ] {
            assert_eq!((event.name(), event.level()), (name, level));
        }
    }
}
