//! Trying providers out without sending anything.

use std::time::Duration;

use futures::future::join_all;

use super::{Mailer, Provider, Refusal, Trouble};

/// How long a provider may take for greeting, encryption and login.
const PATIENCE: Duration = Duration::from_secs(4);

/// Why a provider is not known to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckError {
    /// It has no login to try.
    Unknown,
    /// It did not let us in.
    Refused {
        /// In its own words or those of the network; never with a password.
        message: String,
        /// What is wrong.
        trouble: Trouble,
    },
}

impl Mailer {
    /// Greets and logs in to every provider at once, and says good-bye. Takes at most five
    /// seconds.
    pub async fn check(&self) -> Vec<(&'static str, Result<(), CheckError>)> {
        let checks = self.providers.iter().map(async |provider| {
            let Provider::Smtp(smtp) = provider else {
                return (provider.name(), Err(CheckError::Unknown));
            };
            let tried = tokio::time::timeout(PATIENCE, smtp.try_login()).await;
            let tried = tried.unwrap_or_else(|_| {
                Err(Refusal {
                    trouble: Trouble::Silent,
                    ..Refusal::transient(format!("no answer within {} s", PATIENCE.as_secs()))
                })
            });
            let refused = |Refusal {
                               message, trouble, ..
                           }| CheckError::Refused { message, trouble };
            (provider.name(), tried.map_err(refused))
        });
        join_all(checks).await
    }
}
