//! Connects and signs in to each mail provider, without sending anything.

use super::Finding;
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::mailbox::Mailbox;
use crate::mail::{CheckError, Mailer, advice};

const CHECK: &str = "mail";

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let mailer = match Mailer::new(&config.mail, &Mailbox::default(), &Clock::default()) {
        Ok(mailer) => mailer,
        Err(error) => {
            let advice = "Check the settings of this provider.";
            return vec![Finding::ok(CHECK, error.to_string()).failed(advice)];
        }
    };
    let checks = mailer.check().await.into_iter().zip(&config.mail.providers);
    let findings = checks.map(|((provider, checked), settings)| match checked {
        Ok(()) => Finding::ok(CHECK, format!("{provider}: the login works")),
        Err(CheckError::Unknown) => Finding::skipped(
            CHECK,
            format!("{provider}: can only be checked by sending a mail (`gatelodge mail test`)"),
        ),
        Err(CheckError::Failed(error)) => Finding::ok(
            CHECK,
            format!("{provider}: {}", error.message),
        )
        .failed(advice(error.kind, settings, &config.mail)),
    });
    findings.collect()
}
