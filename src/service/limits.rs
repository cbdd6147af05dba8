//! The named rules of the limiter, and counting by them.

use super::{Caller, Services};
use crate::domain::email::EmailAddress;
use crate::domain::id::{TeamId, UserId};
use crate::limits::{Exceeded, Rule};
use crate::telemetry::event;

/// What a rule counts by.
#[derive(Clone, Copy)]
pub(super) enum RateLimitKey<'a> {
    /// Everything done about one address, whoever does it.
    Email(&'a EmailAddress),
    /// Everything one network does.
    Network,
    /// Everything done for one team.
    Team(TeamId),
    /// Everything one account does.
    User(UserId),
}

impl Caller {
    /// Counts an invitation: for the team, for its admin, who may have many teams, and for the
    /// address, which may be invited to many.
    pub(super) async fn count_invitation(
        &self,
        admin: UserId,
        team: TeamId,
        email: &EmailAddress,
    ) -> Result<(), Exceeded> {
        self.acquire(self.invitations_per_admin(), RateLimitKey::User(admin))
            .await?;
        self.acquire(self.invitations_per_team(), RateLimitKey::Team(team))
            .await?;
        self.acquire(self.invitations_per_address(), RateLimitKey::Email(email))
            .await
    }

    /// Asks the limiter, without an event for what it refuses.
    pub(super) async fn count(&self, rule: Rule, key: &str) -> Result<(), Exceeded> {
        let decision = self.0.limiter.acquire(rule, key, self.now()).await;
        if decision.degraded {
            self.0.throttle.emit(event::LimiterDegraded {});
        }
        decision.allowed
    }

    /// Takes one of the actions that a rule allows, or refuses.
    pub(super) async fn acquire(&self, rule: Rule, key: RateLimitKey<'_>) -> Result<(), Exceeded> {
        let Some(hashed) = self.limit_key(key) else {
            return Ok(());
        };
        let allowed = self.count(rule, &hashed).await;
        self.metrics().limiter_decision(rule.name, allowed.is_ok());
        allowed.inspect_err(|exceeded| {
            self.emit(event::RateLimitExceeded {
                email: match key {
                    RateLimitKey::Email(email) => Some(email),
                    RateLimitKey::Network | RateLimitKey::Team(_) | RateLimitKey::User(_) => None,
                },
                limit: rule.max,
                period: rule.period,
                retry_after_seconds: exceeded.retry_after.num_seconds(),
                reason: rule.name,
            });
        })
    }

    /// Gives back what [`acquire`](Self::acquire) took.
    pub(super) async fn release(&self, rule: Rule, key: RateLimitKey<'_>) {
        if let Some(hashed) = self.limit_key(key) {
            self.0.limiter.release(rule, &hashed, self.now()).await;
        }
    }

    /// The keyed hash to count by; `None` for the network of an operation without a client.
    pub(super) fn limit_key(&self, key: RateLimitKey<'_>) -> Option<String> {
        let text = match key {
            RateLimitKey::Email(email) => email.as_str().to_owned(),
            RateLimitKey::User(user) => user.to_string(),
            RateLimitKey::Team(team) => team.to_string(),
            RateLimitKey::Network => self.context.client.as_ref()?.network().to_string(),
        };
        Some(self.0.keys.limit_subject(&text))
    }
}

impl Services {
    /// Codes sent to one address.
    pub(super) fn code_requests_per_address(&self) -> Rule {
        Rule::per_hour("code_requests", self.0.limits.code_requests_per_hour)
    }

    /// Codes one network asks for.
    pub(super) fn code_requests_per_network(&self) -> Rule {
        Rule::per_hour(
            "code_requests_per_ip",
            self.0.limits.code_requests_per_hour_per_ip,
        )
    }

    /// Wrong codes from one network, over all addresses.
    pub(super) fn wrong_codes_per_network(&self) -> Rule {
        let max = self.0.limits.verifications_per_15_minutes_per_ip;
        Rule::per_15_minutes("wrong_codes_per_ip", max)
    }

    /// Failed password logins to one address.
    pub(super) fn logins_per_address(&self) -> Rule {
        Rule::per_15_minutes("logins", self.0.limits.login_attempts_per_15_minutes)
    }

    /// Failed password logins from one network, over all addresses.
    pub(super) fn logins_per_network(&self) -> Rule {
        let max = self.0.limits.login_attempts_per_15_minutes_per_ip;
        Rule::per_15_minutes("logins_per_ip", max)
    }

    /// Accounts registered from one network.
    pub(super) fn registrations_per_network(&self) -> Rule {
        let max = self.0.limits.registrations_per_hour_per_ip;
        Rule::per_hour("registrations_per_ip", max)
    }

    /// Invitations sent for one team.
    fn invitations_per_team(&self) -> Rule {
        Rule::per_hour("invitations", self.0.limits.invitations_per_hour_per_team)
    }

    /// Invitations sent by one account, whichever its teams.
    fn invitations_per_admin(&self) -> Rule {
        Rule::per_hour(
            "invitations_per_admin",
            self.0.limits.invitations_per_hour_per_team,
        )
    }

    /// Invitations to one address, whoever sends them.
    fn invitations_per_address(&self) -> Rule {
        Rule::per_hour(
            "invitations_per_address",
            self.0.limits.code_requests_per_hour,
        )
    }

    /// Reset links sent to one address.
    pub(super) fn password_resets_per_address(&self) -> Rule {
        Rule::per_hour("password_resets", self.0.limits.password_resets_per_hour)
    }
}
