//! `gatelodge mail test|preview`: whether mail leaves the house, and what it looks like. Neither
//! needs a database.

use std::io::{self, Write};
use std::time::Instant;

use super::{CommandError, StartError};
use crate::config::{Config, MailConfig, MailProviderConfig};
use crate::crypto;
use crate::domain::clock::Clock;
use crate::domain::email::EmailAddress;
use crate::domain::mail::{MailKind, RenderedMail};
use crate::domain::mailbox::Mailbox;
use crate::mail::templates::Templates;
use crate::mail::{Mailer, MailerError, SendError};

/// The names of all kinds of mail.
pub fn mail_kinds() -> [&'static str; 11] {
    MailKind::ALL.map(MailKind::name)
}

/// The parts of a mail that [`preview`] prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewPart {
    /// The subject and the plain text.
    SubjectAndText,
    /// The plain text alone.
    Text,
    /// The HTML alone.
    Html,
}

/// Prints a kind of mail, rendered with samples by the templates that hold.
pub fn preview(config: &Config, kind: &str, part: PreviewPart) -> Result<(), CommandError> {
    let kind = kind.parse::<MailKind>();
    let kind = kind.map_err(|error| CommandError::refused(error.to_string()))?;
    let templates = Templates::load(&config.app, &config.templates).map_err(StartError::from)?;
    let rendered = templates
        .preview(kind, config)
        .map_err(|error| CommandError::refused(error.to_string()))?;
    let text = match part {
        PreviewPart::SubjectAndText => {
            format!("Subject: {}\n\n{}", rendered.subject, rendered.text)
        }
        PreviewPart::Text => rendered.text,
        PreviewPart::Html => rendered.html,
    };
    Ok(writeln!(io::stdout(), "{}", text.trim_end())?)
}

/// Sends a mail to an address through each provider by itself, past the outbox, and says what came
/// of it and what to do. Fails if one of them fails.
pub async fn test(config: &Config, address: &str) -> Result<(), CommandError> {
    let to = EmailAddress::parse(address)
        .map_err(|_| CommandError::refused(format!("{address:?} is not a valid e-mail address")))?;
    let mut failed = 0;
    for provider in &config.mail.providers {
        let begun = Instant::now();
        let sent = send(config, provider, &to).await;
        let took = begun.elapsed().as_secs_f32();
        let name = provider.name();
        let report = match sent {
            Ok(()) => format!(
                "{name}: ok, the provider took it after {took:.1} s. If nothing is in the mailbox \
                 of {} within a minute, look for it under spam.\n",
                to.as_str()
            ),
            Err(Failed { said, advice }) => {
                failed += 1;
                format!(
                    "{name}: FAILED after {took:.1} s\n  It said: {said}\n  To do:   {advice}\n"
                )
            }
        };
        io::stdout().write_all(report.as_bytes())?;
    }
    match (failed, config.mail.providers.len()) {
        (0, _) => Ok(()),
        (1, 1) => Err(CommandError::refused("the mail was not sent")),
        (failed, all) => Err(CommandError::refused(format!(
            "{failed} of {all} providers failed"
        ))),
    }
}

struct Failed {
    said: String,
    advice: String,
}

async fn send(
    config: &Config,
    provider: &MailProviderConfig,
    to: &EmailAddress,
) -> Result<(), Failed> {
    let clock = Clock::default();
    let alone = MailConfig {
        providers: vec![provider.clone()],
        ..config.mail.clone()
    };
    let mailer = Mailer::new(&alone, &Mailbox::default(), &clock).map_err(|error| {
        let MailerError { message, .. } = error;
        Failed {
            said: message,
            advice: "The settings cannot work: see gatelodge config check.".to_owned(),
        }
    })?;
    let app = &config.app.name;
    let mail = RenderedMail {
        id: (clock.now(), crypto::id_entropy()).into(),
        // It carries no secret; the kind names no template here.
        kind: MailKind::AccountExists,
        to: to.clone(),
        subject: format!("Test mail from {app}"),
        text: format!(
            "This is a test mail.\n\nWhoever runs {app} wanted to know whether its mail arrives: it \
             does.\n"
        ),
        html:
            "<!doctype html><p>This is a test mail.</p><p>Its sender wanted to know whether mail \
               arrives: it does.</p>"
                .to_owned(),
        code: None,
        link: None,
    };
    let sent = mailer.send(&mail).await;
    sent.map(drop).map_err(|error: SendError| Failed {
        advice: error.trouble.advice(provider, &config.mail),
        said: error.message,
    })
}
