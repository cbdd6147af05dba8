//! `gatelodge mail test`

use std::time::Instant;

use anyhow::{Context, bail};

use crate::cli::print;
use crate::config::{Config, MailConfig, MailProviderConfig};
use crate::crypto;
use crate::domain::clock::Clock;
use crate::domain::email::EmailAddress;
use crate::domain::mail::{MailKind, RenderedMail};
use crate::domain::mailbox::Mailbox;
use crate::mail::{Mailer, advice};

/// Sends a mail through each provider by itself, without the outbox, and prints the outcome and how
/// to fix it. Fails if a provider fails.
pub(super) async fn run(config: &Config, address: &str) -> anyhow::Result<()> {
    let to = EmailAddress::parse(address)
        .ok()
        .with_context(|| format!("{address:?} is not a valid email address"))?;
    let mut failed = 0;
    for provider in &config.mail.providers {
        let begun = Instant::now();
        let sent = send(config, provider, &to).await;
        let took = begun.elapsed().as_secs_f32();
        let name = provider.name();
        match sent {
            Ok(()) => print(format_args!(
                "{name}: ok, accepted after {took:.1} s. If it does not arrive at {} within a \
                 minute, look in the spam folder.",
                to.as_str()
            ))?,
            Err(Rejection { error, advice }) => {
                failed += 1;
                print(format_args!(
                    "{name}: FAILED after {took:.1} s\n  Error:  {error}\n  Advice: {advice}"
                ))?;
            }
        }
    }
    match (failed, config.mail.providers.len()) {
        (0, _) => Ok(()),
        (1, 1) => bail!("the mail was not sent"),
        (failed, all) => bail!("{failed} of {all} providers failed"),
    }
}

struct Rejection {
    error: String,
    advice: String,
}

async fn send(
    config: &Config,
    provider: &MailProviderConfig,
    to: &EmailAddress,
) -> Result<(), Rejection> {
    let clock = Clock::default();
    let alone = MailConfig {
        providers: vec![provider.clone()],
        ..config.mail.clone()
    };
    let mailer = Mailer::new(&alone, &Mailbox::default(), &clock).map_err(|error| Rejection {
        error: error.message,
        advice: "The settings cannot work: see `gatelodge config check`.".to_owned(),
    })?;
    let app = &config.app.name;
    let mail = RenderedMail {
        id: (clock.now(), crypto::id_entropy()).into(),
        // The kind selects no template here.
        kind: MailKind::AccountExists,
        to: to.clone(),
        subject: format!("Test mail from {app}"),
        text: format!("This is a test mail: email from {app} arrives.\n"),
        html: "<!doctype html><p>This is a test mail: email arrives.</p>".to_owned(),
        code: None,
        link: None,
    };
    let sent = mailer.send(&mail).await;
    sent.map(drop).map_err(|error| Rejection {
        advice: advice(error.kind, provider, &config.mail),
        error: error.message,
    })
}
