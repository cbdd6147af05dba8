//! What is limited, and counting it.

use super::Caller;
use crate::config::LimitsConfig;
use crate::domain::email::EmailAddress;
use crate::domain::id::{TeamId, UserId};
use crate::limits::{Exceeded, Rule};
use crate::telemetry::event;

/// Something that is limited, and what it is counted by. `Network` is the network of the caller.
#[derive(Clone, Copy)]
pub(super) enum Limit<'a> {
    CodeRequests(&'a EmailAddress),
    CodeRequestsPerNetwork,
    PasswordResets(&'a EmailAddress),
    WrongCodesPerNetwork,
    /// Wrong passwords.
    Logins(&'a EmailAddress),
    LoginsPerNetwork,
    RegistrationsPerNetwork,
    Invitations(TeamId),
    /// Invitations by one admin in all teams.
    InvitationsPerAdmin(UserId),
    /// Invitations by everyone.
    InvitationsPerAddress(&'a EmailAddress),
}

impl<'a> Limit<'a> {
    fn rule(self, limits: &LimitsConfig) -> Rule {
        let (name, max) = match self {
            Self::WrongCodesPerNetwork => {
                let max = limits.verifications_per_15_minutes_per_ip;
                return Rule::per_15_minutes("wrong_codes_per_ip", max);
            }
            Self::Logins(_) => {
                let max = limits.login_attempts_per_15_minutes;
                return Rule::per_15_minutes("logins", max);
            }
            Self::LoginsPerNetwork => {
                let max = limits.login_attempts_per_15_minutes_per_ip;
                return Rule::per_15_minutes("logins_per_ip", max);
            }
            Self::CodeRequests(_) => ("code_requests", limits.code_requests_per_hour),
            Self::CodeRequestsPerNetwork => {
                ("code_requests_per_ip", limits.code_requests_per_hour_per_ip)
            }
            Self::PasswordResets(_) => ("password_resets", limits.password_resets_per_hour),
            Self::RegistrationsPerNetwork => {
                ("registrations_per_ip", limits.registrations_per_hour_per_ip)
            }
            Self::Invitations(_) => ("invitations", limits.invitations_per_hour_per_team),
            Self::InvitationsPerAdmin(_) => (
                "invitations_per_admin",
                limits.invitations_per_hour_per_team,
            ),
            Self::InvitationsPerAddress(_) => {
                ("invitations_per_address", limits.code_requests_per_hour)
            }
        };
        Rule::per_hour(name, max)
    }

    fn email(self) -> Option<&'a EmailAddress> {
        match self {
            Self::CodeRequests(email)
            | Self::PasswordResets(email)
            | Self::Logins(email)
            | Self::InvitationsPerAddress(email) => Some(email),
            _ => None,
        }
    }
}

impl Caller {
    /// Counts an action, unless it exceeds the limit.
    pub(super) async fn acquire(&self, limit: Limit<'_>) -> Result<(), Exceeded> {
        let Some(key) = self.limit_key(limit) else {
            return Ok(());
        };
        let rule = limit.rule(&self.0.limits);
        let allowed = self.count(rule, &key).await;
        self.metrics().limiter_decision(rule.name, allowed.is_ok());
        allowed.inspect_err(|exceeded| {
            self.emit(event::RateLimitExceeded {
                email: limit.email(),
                limit: rule.max,
                period: rule.period,
                retry_after_seconds: exceeded.retry_after.num_seconds(),
                reason: rule.name,
            });
        })
    }

    /// Uncounts an action.
    pub(super) async fn release(&self, limit: Limit<'_>) {
        if let Some(key) = self.limit_key(limit) {
            let rule = limit.rule(&self.0.limits);
            self.0.limiter.release(rule, &key, self.now()).await;
        }
    }

    /// Counts an action by any rule and key, without an event if it exceeds the limit.
    pub(super) async fn count(&self, rule: Rule, key: &str) -> Result<(), Exceeded> {
        let decision = self.0.limiter.acquire(rule, key, self.now()).await;
        if decision.degraded {
            self.0.throttle.emit(event::LimiterDegraded {});
        }
        decision.allowed
    }

    /// A keyed hash of what is counted by; `None` for the network of a command.
    fn limit_key(&self, limit: Limit<'_>) -> Option<String> {
        let text = match limit {
            Limit::Invitations(team) => team.to_string(),
            Limit::InvitationsPerAdmin(user) => user.to_string(),
            _ => match limit.email() {
                Some(email) => email.as_str().to_owned(),
                None => self.network()?,
            },
        };
        Some(self.0.keys.limit_subject(&text))
    }

    pub(super) fn network(&self) -> Option<String> {
        let client = self.context.client.as_ref()?;
        Some(client.network().to_string())
    }
}
