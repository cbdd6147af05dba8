//! Anomalies that no single event shows: many signals about one email address or from one network.
//!
//! They are counted by the limiter, so over all processes, and logged once per hour and key.
//! Requests do not wait for the counting, and nothing is refused because of it: limits do that.

use tracing::Instrument;

use super::Caller;
use super::limits::RateLimitKey;
use crate::domain::email::EmailAddress;
use crate::limits::Rule;
use crate::telemetry::event;

/// Something that is suspicious if it happens often.
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

impl Caller {
    /// Counts a signal, and logs the anomalies that it completes.
    pub(super) fn record_signal(&self, signal: Signal, email: &EmailAddress) {
        let (caller, email) = (self.clone(), email.clone());
        let counting = async move {
            if signal != Signal::CodeRequest {
                let key = RateLimitKey::Email(&email);
                caller.count_signal(signal, key).await;
            } else if !caller.is_new_pair(&email).await {
                return;
            }
            let key = RateLimitKey::Network;
            caller.count_signal(signal, key).await;
        };
        // In the request's span, so that the event has its id.
        tokio::spawn(counting.in_current_span());
    }

    /// Counts a signal by email address or network. The one that reaches the threshold is logged,
    /// and no other for an hour.
    async fn count_signal(&self, signal: Signal, key: RateLimitKey<'_>) {
        let limits = &self.0.limits;
        let email = match key {
            RateLimitKey::Email(email) => Some(email),
            RateLimitKey::Network | RateLimitKey::Team(_) | RateLimitKey::User(_) => None,
        };
        let by_email = email.is_some();
        let threshold = match signal {
            Signal::CodeRequest => limits.suspicious_addresses_per_ip,
            Signal::DeadCode => limits.suspicious_dead_codes,
            Signal::WrongCode | Signal::FailedLogin if by_email => {
                limits.suspicious_failures_per_address
            }
            Signal::WrongCode | Signal::FailedLogin => limits.suspicious_failures_per_ip,
        };
        let (signals, logged) = match (signal, by_email) {
            (Signal::WrongCode, true) => {
                ("wrong_codes_for_address", "told_wrong_codes_for_address")
            }
            (Signal::WrongCode, false) => ("wrong_codes_from_ip", "told_wrong_codes_from_ip"),
            (Signal::FailedLogin, true) => (
                "failed_logins_for_address",
                "told_failed_logins_for_address",
            ),
            (Signal::FailedLogin, false) => ("failed_logins_from_ip", "told_failed_logins_from_ip"),
            (Signal::DeadCode, true) => ("dead_codes_for_address", "told_dead_codes_for_address"),
            (Signal::DeadCode, false) => ("dead_codes_from_ip", "told_dead_codes_from_ip"),
            (Signal::CodeRequest, _) => ("addresses_from_ip", "told_addresses_from_ip"),
        };
        let Some(hashed) = self.limit_key(key).filter(|_| threshold > 0) else {
            return;
        };
        let below = Rule::per_hour(signals, threshold - 1);
        if self.count(below, &hashed).await.is_ok()
            || self
                .count(Rule::per_hour(logged, 1), &hashed)
                .await
                .is_err()
        {
            return;
        }
        let (limit, period) = (threshold, below.period);
        match (signal, email) {
            (Signal::WrongCode, Some(email)) => self.emit(event::SuspiciousCodesForAddress {
                email,
                limit,
                period,
            }),
            (Signal::WrongCode, None) => self.emit(event::SuspiciousCodesFromIp { limit, period }),
            (Signal::FailedLogin, Some(email)) => self.emit(event::SuspiciousLoginsForAddress {
                email,
                limit,
                period,
            }),
            (Signal::FailedLogin, None) => {
                self.emit(event::SuspiciousLoginsFromIp { limit, period });
            }
            (Signal::DeadCode, Some(email)) => self.emit(event::SuspiciousDeadCodesForAddress {
                email,
                limit,
                period,
            }),
            (Signal::DeadCode, None) => {
                self.emit(event::SuspiciousDeadCodesFromIp { limit, period });
            }
            (Signal::CodeRequest, _) => {
                self.emit(event::SuspiciousAddressesFromIp { limit, period });
            }
        }
    }

    /// Whether this network asks about this email address for the first time in an hour.
    async fn is_new_pair(&self, email: &EmailAddress) -> bool {
        let network = self
            .context
            .client
            .as_ref()
            .map(|client| client.network().to_string());
        let pair = format!("{} {}", network.unwrap_or_default(), email.as_str());
        let key = self.0.keys.limit_subject(&pair);
        let rule = Rule::per_hour("address_of_ip", 1);
        self.count(rule, &key).await.is_ok()
    }
}
