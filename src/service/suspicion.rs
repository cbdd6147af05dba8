//! Patterns that no single event shows: much of the same about one address or from one network.
//!
//! They are counted by the limiter, so over all processes, and told once per window and subject.
//! Nobody waits for the counting, and nothing is refused because of it: limits do that.

use tracing::Instrument;

use super::limits::Subject;
use super::{Services, codes};
use crate::domain::client::Client;
use crate::domain::email::EmailAddress;
use crate::limits::Rule;
use crate::telemetry::{Event, Facts};

/// What may be one of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
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
struct Pattern {
    event: Event,
    threshold: u32,
    /// Counts signs.
    signs: &'static str,
    /// Keeps the event from being repeated.
    told: &'static str,
}

impl Services {
    /// Counts a sign, and tells of the patterns it completes.
    pub(super) fn notice(&self, sign: Sign, email: &EmailAddress, client: &Client) {
        let (services, email, client) = (self.clone(), email.clone(), client.clone());
        let counting = async move {
            if sign == Sign::CodeRequest && !services.is_new_pair(&email, &client).await {
                return;
            }
            let [of_address, of_network] = services.patterns(sign);
            if let Some(pattern) = of_address {
                let subject = Subject::Email(&email);
                services.count_sign(pattern, subject, &email, &client).await;
            }
            if let Some(pattern) = of_network {
                let subject = Subject::Network(&client);
                services.count_sign(pattern, subject, &email, &client).await;
            }
        };
        // In the request's span, so that the event has its id.
        tokio::spawn(counting.in_current_span());
    }

    /// What a sign may belong to: a pattern about its address, and one of its network.
    fn patterns(&self, sign: Sign) -> [Option<Pattern>; 2] {
        let limits = &self.0.limits;
        let pattern = |event, threshold, signs, told| {
            (threshold > 0).then_some(Pattern {
                event,
                threshold,
                signs,
                told,
            })
        };
        let per_address = limits.suspicious_failures_per_address;
        let per_network = limits.suspicious_failures_per_ip;
        match sign {
            Sign::WrongCode => [
                pattern(
                    Event::SuspiciousCodesForAddress,
                    per_address,
                    "wrong_codes_for_address",
                    "told_wrong_codes_for_address",
                ),
                pattern(
                    Event::SuspiciousCodesFromIp,
                    per_network,
                    "wrong_codes_from_ip",
                    "told_wrong_codes_from_ip",
                ),
            ],
            Sign::FailedLogin => [
                pattern(
                    Event::SuspiciousLoginsForAddress,
                    per_address,
                    "failed_logins_for_address",
                    "told_failed_logins_for_address",
                ),
                pattern(
                    Event::SuspiciousLoginsFromIp,
                    per_network,
                    "failed_logins_from_ip",
                    "told_failed_logins_from_ip",
                ),
            ],
            Sign::DeadCode => [
                pattern(
                    Event::SuspiciousDeadCodesForAddress,
                    limits.suspicious_dead_codes,
                    "dead_codes_for_address",
                    "told_dead_codes_for_address",
                ),
                pattern(
                    Event::SuspiciousDeadCodesFromIp,
                    limits.suspicious_dead_codes,
                    "dead_codes_from_ip",
                    "told_dead_codes_from_ip",
                ),
            ],
            Sign::CodeRequest => [
                None,
                pattern(
                    Event::SuspiciousAddressesFromIp,
                    limits.suspicious_addresses_per_ip,
                    "addresses_from_ip",
                    "told_addresses_from_ip",
                ),
            ],
        }
    }

    /// Counts a sign; the one that reaches the threshold is told, and no other for an hour.
    async fn count_sign(
        &self,
        pattern: Pattern,
        subject: Subject<'_>,
        email: &EmailAddress,
        client: &Client,
    ) {
        let key = self.limit_subject(subject);
        let below = Rule::per_hour(pattern.signs, pattern.threshold - 1);
        if self.is_within(below, &key).await
            || !self.is_within(Rule::per_hour(pattern.told, 1), &key).await
        {
            return;
        }
        let about = match subject {
            // What is said of a network is not about the address that came last.
            Subject::Network(_) => Facts {
                ip_address: Some(client.ip),
                ..Facts::default()
            },
            Subject::Email(_) | Subject::Team(_) | Subject::User(_) => codes::facts(email, client),
        };
        pattern.event.emit(Facts {
            limit: Some(pattern.threshold),
            period: Some(below.period),
            ..about
        });
    }

    /// Whether this network asks about this address for the first time in an hour.
    async fn is_new_pair(&self, email: &EmailAddress, client: &Client) -> bool {
        let pair = format!("{} {}", client.network(), email.as_str());
        let rule = Rule::per_hour("address_of_ip", 1);
        self.is_within(rule, &self.0.keys.limit_subject(&pair))
            .await
    }

    async fn is_within(&self, rule: Rule, subject: &str) -> bool {
        self.count_hit(rule, subject).await.is_ok()
    }
}
