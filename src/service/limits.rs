//! The named rules of the limiter, and counting by them.

use super::Services;
use crate::domain::client::Client;
use crate::domain::email::EmailAddress;
use crate::domain::id::{TeamId, UserId};
use crate::limits::{Exceeded, Rule};
use crate::telemetry::{Event, Facts};

/// What a rule counts by.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    /// Everything done about one address, whoever does it.
    Email(&'a EmailAddress),
    /// Everything one network does.
    Network(&'a Client),
    /// Everything done for one team.
    Team(TeamId),
    /// Everything one account does.
    User(UserId),
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

    /// Counts an invitation: for the team, for its admin, who may have many teams, and for the
    /// address, which may be invited to many.
    pub(super) async fn count_invitation(
        &self,
        admin: UserId,
        team: TeamId,
        email: &EmailAddress,
        client: &Client,
    ) -> Result<(), Exceeded> {
        self.hit(self.invitations_per_admin(), Subject::User(admin), client)
            .await?;
        self.hit(self.invitations_per_team(), Subject::Team(team), client)
            .await?;
        self.hit(
            self.invitations_per_address(),
            Subject::Email(email),
            client,
        )
        .await
    }

    /// Asks the limiter; nothing is told but that it counts alone.
    pub(super) async fn count_hit(&self, rule: Rule, subject: &str) -> Result<(), Exceeded> {
        let verdict = self.0.limiter.hit(rule, subject, self.now()).await;
        if verdict.degraded {
            self.report_outage(Event::LimiterDegraded, None);
        }
        verdict.allowed
    }

    /// Counts a hit, and tells of a refusal.
    pub(super) async fn hit(
        &self,
        rule: Rule,
        subject: Subject<'_>,
        client: &Client,
    ) -> Result<(), Exceeded> {
        let allowed = self.count_hit(rule, &self.limit_subject(subject)).await;
        self.metrics().limiter_decision(rule.name, allowed.is_ok());
        allowed.inspect_err(|exceeded| {
            Event::RateLimitExceeded.emit(Facts {
                email: match subject {
                    Subject::Email(email) => Some(email),
                    Subject::Network(_) | Subject::Team(_) | Subject::User(_) => None,
                },
                ip_address: Some(client.ip),
                reason: Some(rule.name),
                limit: Some(rule.max),
                period: Some(rule.period),
                retry_after_seconds: Some(exceeded.retry_after.num_seconds()),
                ..Facts::default()
            });
        })
    }

    /// Gives a hit back.
    pub(super) async fn refund(&self, rule: Rule, subject: Subject<'_>) {
        self.0
            .limiter
            .refund(rule, &self.limit_subject(subject), self.now())
            .await;
    }

    pub(super) fn limit_subject(&self, subject: Subject<'_>) -> String {
        match subject {
            Subject::Email(email) => self.0.keys.limit_subject(email.as_str()),
            Subject::User(user) => self.0.keys.limit_subject(&user.to_string()),
            Subject::Team(team) => self.0.keys.limit_subject(&team.to_string()),
            Subject::Network(client) => self.0.keys.limit_subject(&client.network().to_string()),
        }
    }
}
