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
    let findings = checks.map(|(provider, checked)| match checked {
        Ok(()) => Finding::ok(CHECK, format!("{provider}: takes the login")),
        Err(CheckError::Unknown) => Finding::skipped(
            CHECK,
            format!("{provider}: shows only with a mail whether it sends"),
        ),
        Err(CheckError::Refused(message)) => Finding::failed(
            CHECK,
            format!("{provider}: {message}"),
            "See that host, port, TLS, name and password are those the provider tells, and that \
             its port is not blocked on the way.",
        ),
    });
    findings.collect()
}
