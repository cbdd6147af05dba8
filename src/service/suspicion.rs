//! Patterns that no single event shows: much of the same about one address or from one network.
//!
//! They are counted by the limiter, so over all processes, and told once per window and subject.
//! Nobody waits for the counting, and nothing is refused because of it: limits do that.

use tracing::Instrument;

use super::Services;
use super::limits::RateLimitKey;
use crate::domain::email::EmailAddress;
use crate::domain::operation::OperationContext;
use crate::limits::Rule;
use crate::telemetry::{Event, Facts};

/// What may be one of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// A wrong code was given, or one after the last attempt.
    WrongCode,
    /// A password login failed.
    FailedLogin,
    /// A code was given that is used or expired.
    DeadCode,
    /// A code or reset link was asked for.
    CodeRequest,
}

/// What is told if there are more of a sign than a threshold in an hour.
#[derive(Clone, Copy)]
struct AnomalyRule {
    event: Event,
    threshold: u32,
    /// Counts signs.
    signs: &'static str,
    /// Keeps the event from being repeated.
    told: &'static str,
}

impl Services {
    /// Counts a sign, and tells of the patterns it completes.
    pub(super) fn record_signal(
        &self,
        ctx: &OperationContext,
        signal: Signal,
        email: &EmailAddress,
    ) {
        let (services, ctx, email) = (self.clone(), ctx.clone(), email.clone());
        let counting = async move {
            if signal == Signal::CodeRequest && !services.is_new_pair(&ctx, &email).await {
                return;
            }
            let [by_address, by_network] = services.anomaly_rules(signal);
            if let Some(rule) = by_address {
                let key = RateLimitKey::Email(&email);
                services.count_signal(&ctx, rule, key).await;
            }
            if let Some(rule) = by_network {
                let key = RateLimitKey::Network;
                services.count_signal(&ctx, rule, key).await;
            }
        };
        // In the request's span, so that the event has its id.
        tokio::spawn(counting.in_current_span());
    }

    /// What a sign may belong to: a pattern about its address, and one of its network.
    fn anomaly_rules(&self, signal: Signal) -> [Option<AnomalyRule>; 2] {
        let limits = &self.0.limits;
        let rule = |event, threshold, signs, told| {
            (threshold > 0).then_some(AnomalyRule {
                event,
                threshold,
                signs,
                told,
            })
        };
        let per_address = limits.suspicious_failures_per_address;
        let per_network = limits.suspicious_failures_per_ip;
        match signal {
            Signal::WrongCode => [
                rule(
                    Event::SuspiciousCodesForAddress,
                    per_address,
                    "wrong_codes_for_address",
                    "told_wrong_codes_for_address",
                ),
                rule(
                    Event::SuspiciousCodesFromIp,
                    per_network,
                    "wrong_codes_from_ip",
                    "told_wrong_codes_from_ip",
                ),
            ],
            Signal::FailedLogin => [
                rule(
                    Event::SuspiciousLoginsForAddress,
                    per_address,
                    "failed_logins_for_address",
                    "told_failed_logins_for_address",
                ),
                rule(
                    Event::SuspiciousLoginsFromIp,
                    per_network,
                    "failed_logins_from_ip",
                    "told_failed_logins_from_ip",
                ),
            ],
            Signal::DeadCode => [
                rule(
                    Event::SuspiciousDeadCodesForAddress,
                    limits.suspicious_dead_codes,
                    "dead_codes_for_address",
                    "told_dead_codes_for_address",
                ),
                rule(
                    Event::SuspiciousDeadCodesFromIp,
                    limits.suspicious_dead_codes,
                    "dead_codes_from_ip",
                    "told_dead_codes_from_ip",
                ),
            ],
            Signal::CodeRequest => [
                None,
                rule(
                    Event::SuspiciousAddressesFromIp,
                    limits.suspicious_addresses_per_ip,
                    "addresses_from_ip",
                    "told_addresses_from_ip",
                ),
            ],
        }
    }

    /// Counts a signal. The one that reaches the threshold is logged, and no other for an hour.
    async fn count_signal(&self, ctx: &OperationContext, rule: AnomalyRule, key: RateLimitKey<'_>) {
        let Some(hashed) = self.limit_key(ctx, key) else {
            return;
        };
        let below = Rule::per_hour(rule.signs, rule.threshold - 1);
        if self.count(ctx, below, &hashed).await.is_ok()
            || self
                .count(ctx, Rule::per_hour(rule.told, 1), &hashed)
                .await
                .is_err()
        {
            return;
        }
        rule.event.emit(Facts {
            // The events about a network have no email address: it would be the latest of many.
            email: match key {
                RateLimitKey::Email(email) => Some(email),
                RateLimitKey::Network | RateLimitKey::Team(_) | RateLimitKey::User(_) => None,
            },
            ip_address: ctx.ip_address(),
            limit: Some(rule.threshold),
            period: Some(below.period),
            ..Facts::default()
        });
    }

    /// Whether this network asks about this email address for the first time in an hour.
    async fn is_new_pair(&self, ctx: &OperationContext, email: &EmailAddress) -> bool {
        let network = ctx
            .client
            .as_ref()
            .map(|client| client.network().to_string());
        let pair = format!("{} {}", network.unwrap_or_default(), email.as_str());
        let key = self.0.keys.limit_subject(&pair);
        let rule = Rule::per_hour("address_of_ip", 1);
        self.count(ctx, rule, &key).await.is_ok()
    }
}
