//! Anomalies that no single event shows: many signals about one email address or from one network.
//!
//! The limiter counts them, so over all processes, and each is logged once per hour and key. Requests
//! do not wait for it, and nothing is refused because of it.

use tracing::Instrument;

use super::Caller;
use crate::domain::email::EmailAddress;
use crate::limits::Rule;
use crate::telemetry::event;

/// Something that is suspicious if it happens often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    WrongCode,
    FailedLogin,
    /// A used or expired code was submitted.
    DeadCode,
    /// A code or reset link was requested.
    CodeRequest,
}

impl Caller {
    /// Counts a signal, and logs the anomaly that it completes.
    pub(super) fn record_signal(&self, signal: Signal, email: &EmailAddress) {
        let (caller, email) = (self.clone(), email.clone());
        let counting = async move {
            if signal != Signal::CodeRequest {
                caller.count_signal(signal, Some(&email)).await;
            } else if !caller.is_new_pair(&email).await {
                return;
            }
            caller.count_signal(signal, None).await;
        };
        // In the span of the request, so that the event has its ID.
        tokio::spawn(counting.in_current_span());
    }

    /// Counts a signal by email address or by network. Only the one that reaches the threshold is
    /// logged, at most once per hour.
    async fn count_signal(&self, signal: Signal, email: Option<&EmailAddress>) {
        let limits = &self.0.limits;
        let (name, limit) = match (signal, email) {
            (Signal::WrongCode, Some(_)) => (
                "wrong_codes_for_address",
                limits.suspicious_failures_per_address,
            ),
            (Signal::WrongCode, None) => ("wrong_codes_from_ip", limits.suspicious_failures_per_ip),
            (Signal::FailedLogin, Some(_)) => (
                "failed_logins_for_address",
                limits.suspicious_failures_per_address,
            ),
            (Signal::FailedLogin, None) => {
                ("failed_logins_from_ip", limits.suspicious_failures_per_ip)
            }
            (Signal::DeadCode, Some(_)) => ("dead_codes_for_address", limits.suspicious_dead_codes),
            (Signal::DeadCode, None) => ("dead_codes_from_ip", limits.suspicious_dead_codes),
            (Signal::CodeRequest, _) => ("addresses_from_ip", limits.suspicious_addresses_per_ip),
        };
        let counted_by = email.map_or_else(|| self.network(), |email| Some(email.as_str().into()));
        let Some(counted_by) = counted_by.filter(|_| limit > 0) else {
            return;
        };
        let key = self.0.keys.limit_subject(&counted_by);
        let below = Rule::per_hour(name, limit - 1);
        let logged = Rule::per_hour("anomaly_logged", 1);
        if self.count(below, &key).await.is_ok()
            || self.count(logged, &format!("{name}:{key}")).await.is_err()
        {
            return;
        }
        let period = below.period;
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

    /// Whether this network has not asked about this email address within an hour.
    async fn is_new_pair(&self, email: &EmailAddress) -> bool {
        let network = self.network().unwrap_or_default();
        let key = self
            .0
            .keys
            .limit_subject(&format!("{network} {}", email.as_str()));
        self.count(Rule::per_hour("address_of_ip", 1), &key)
            .await
            .is_ok()
    }
}
