//! Whether mail can leave: each provider is greeted and logged in to, and nothing is sent.

use super::Finding;
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::mailbox::Mailbox;
use crate::mail::{CheckError, Mailer};

const CHECK: &str = "mail";

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let mailer = match Mailer::new(&config.mail, &Mailbox::default(), &Clock::default()) {
        Ok(mailer) => mailer,
        Err(error) => {
            let advice = "See that the settings of this provider are its own.";
            return vec![Finding::failed(CHECK, error.to_string(), advice)];
        }
    };
    let checks = mailer.check().await.into_iter();
    let findings = checks.zip(&config.mail.providers);
    let findings = findings.map(|((provider, checked), settings)| match checked {
        Ok(()) => Finding::ok(CHECK, format!("{provider}: takes the login")),
        Err(CheckError::Unknown) => Finding::skipped(
            CHECK,
            format!("{provider}: shows only with a mail whether it sends"),
        ),
        Err(CheckError::Refused { message, trouble }) => Finding::failed(
            CHECK,
            format!("{provider}: {message}"),
            trouble.advice(settings, &config.mail),
        ),
    });
    findings.collect()
}
