//! Trying providers out without sending anything.

use std::time::Duration;

use futures::future::join_all;

use super::{Mailer, Provider, no_answer};
use crate::domain::mail::DeliveryError;

/// How long a provider may take for greeting, encryption and login.
const CHECK_TIMEOUT: Duration = Duration::from_secs(4);

/// Why a provider is not known to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckError {
    /// It has no login to try.
    Unknown,
    /// It did not accept the login, or was not reached.
    Failed(DeliveryError),
}

impl Mailer {
    /// Greets and logs in to every provider at once, and says good-bye. Takes at most five
    /// seconds.
    pub async fn check(&self) -> Vec<(&'static str, Result<(), CheckError>)> {
        let checks = self.providers.iter().map(async |provider| {
            let Provider::Smtp(smtp) = provider else {
                return (provider.name(), Err(CheckError::Unknown));
            };
            let tried = tokio::time::timeout(CHECK_TIMEOUT, smtp.try_login()).await;
            let tried = tried.unwrap_or_else(|_| Err(no_answer(CHECK_TIMEOUT.as_secs())));
            (provider.name(), tried.map_err(CheckError::Failed))
        });
        join_all(checks).await
    }
}
