//! Mail: what it says, and how it leaves the house.

pub mod templates;

mod advice;
mod check;
mod message;
mod mock;
mod sendgrid;
mod smtp;

use std::time::Duration;

use crate::config::{MailConfig, MailProviderConfig};
use crate::domain::clock::Clock;
use crate::domain::code::Code;
use crate::domain::mail::{DeliveryError, DeliveryErrorKind, Link, RenderedMail};
use crate::domain::mailbox::Mailbox;
pub use advice::advice;
pub use check::CheckError;
use mock::MockProvider;
use sendgrid::SendGridProvider;
use smtp::SmtpProvider;

/// The longest message about a failure, in characters.
const MESSAGE_MAX_CHARS: usize = 300;
/// As many characters of a token in a row are taken for a piece of it.
const PIECE_CHARS: usize = 6;

/// Sends mail through the configured providers, in their order.
#[derive(Debug)]
pub struct Mailer {
    providers: Vec<Provider>,
    timeout: Duration,
}

#[derive(Debug)]
enum Provider {
    Mock(MockProvider),
    Smtp(Box<SmtpProvider>),
    SendGrid(Box<SendGridProvider>),
}

/// A provider's settings cannot work.
#[derive(Debug, thiserror::Error)]
#[error("mail provider {provider}: {message}")]
pub struct MailerError {
    /// Its name: `gmail`, `smtp`, `sendgrid`.
    pub provider: &'static str,
    /// What is wrong.
    pub message: String,
}

/// A provider took the mail over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its name: `gmail`, `smtp`, `sendgrid`, `mock`.
    pub provider: &'static str,
    /// What those before it answered, in the form of [`DeliveryError::message`].
    pub refusals: Option<String>,
}

impl Mailer {
    /// Sets the providers up; none is contacted yet. Reads the system's certificates.
    ///
    /// `mailbox` receives what the mock provider takes.
    pub fn new(config: &MailConfig, mailbox: &Mailbox, clock: &Clock) -> Result<Self, MailerError> {
        let wrong = |provider, message| MailerError { provider, message };
        let providers = config.providers.iter().map(|provider| match provider {
            MailProviderConfig::Mock => Ok(Provider::Mock(MockProvider::new(
                mailbox.clone(),
                clock.clone(),
            ))),
            MailProviderConfig::Smtp(smtp) => SmtpProvider::new(smtp, config, clock.clone())
                .map(|smtp| Provider::Smtp(Box::new(smtp)))
                .map_err(|message| wrong(smtp.name, message)),
            MailProviderConfig::SendGrid(sendgrid) => {
                SendGridProvider::new(sendgrid, config, clock.clone())
                    .map(|sendgrid| Provider::SendGrid(Box::new(sendgrid)))
                    .map_err(|message| wrong(sendgrid::NAME, message))
            }
        });
        Ok(Self {
            providers: providers.collect::<Result<_, _>>()?,
            timeout: config.timeout,
        })
    }

    /// Hands a mail to the first provider that takes it.
    ///
    /// Whatever one answers, the next is tried; each has the configured timeout for its whole
    /// conversation, so this takes at most the timeout times the number of providers. A mail may
    /// have been taken although this fails, if the answer was lost or came too late; its
    /// `Message-ID` is the same at the next try.
    pub async fn send(&self, mail: &RenderedMail) -> Result<Sent, DeliveryError> {
        let mut errors: Vec<DeliveryError> = Vec::new();
        for provider in &self.providers {
            let name = provider.name();
            let sent = tokio::time::timeout(self.timeout, provider.send(mail)).await;
            let error = match sent {
                Ok(Ok(())) => {
                    return Ok(Sent {
                        provider: name,
                        refusals: (!errors.is_empty()).then(|| join_messages(&errors, mail)),
                    });
                }
                Ok(Err(error)) => error,
                Err(_) => no_answer(self.timeout.as_secs_f32()),
            };
            errors.push(DeliveryError {
                provider: name,
                ..error
            });
        }
        let last = errors.last();
        let transient = errors.iter().filter(|error| !error.permanent);
        Err(DeliveryError {
            provider: last.map_or("none", |error| error.provider),
            kind: last.map_or(DeliveryErrorKind::Other, |error| error.kind),
            permanent: !errors.is_empty() && errors.iter().all(|error| error.permanent),
            // `None` is less than any time: a provider that asked for no delay may be asked as usual.
            retry_after: transient.map(|error| error.retry_after).min().flatten(),
            message: join_messages(&errors, mail),
        })
    }
}

fn no_answer(seconds: impl std::fmt::Display) -> DeliveryError {
    DeliveryError::transient(
        DeliveryErrorKind::Timeout,
        format!("no answer within {seconds} s"),
    )
}

/// What providers answered, without the mail's secrets.
fn join_messages(errors: &[DeliveryError], mail: &RenderedMail) -> String {
    let messages: Vec<_> = errors
        .iter()
        .map(|error| format!("{}: {}", error.provider, error.message))
        .collect();
    let code = mail.code.as_ref().map(Code::expose);
    let token = mail.link.as_ref().map(token);
    let messages = without_pieces(&messages.join("; "), token.unwrap_or_default());
    presentable(&messages, code.as_slice())
}

impl Provider {
    fn name(&self) -> &'static str {
        match self {
            Self::Mock(_) => mock::NAME,
            Self::Smtp(smtp) => smtp.name(),
            Self::SendGrid(_) => sendgrid::NAME,
        }
    }

    async fn send(&self, mail: &RenderedMail) -> Result<(), DeliveryError> {
        match self {
            Self::Mock(mock) => {
                mock.send(mail);
                Ok(())
            }
            Self::Smtp(smtp) => smtp.send(mail).await,
            Self::SendGrid(sendgrid) => sendgrid.send(mail).await,
        }
    }
}

/// The secret part of a link: what follows its last separator.
fn token(link: &Link) -> &str {
    let link = link.expose();
    let token = link.rsplit(['=', '/', '?', '#', '&']).next();
    token.filter(|token| !token.is_empty()).unwrap_or(link)
}

/// A text in which nothing is left of a token but pieces of a few characters: servers quote links
/// cut short, or broken over two lines.
fn without_pieces(text: &str, token: &str) -> String {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let end_of = |index: usize| starts.get(index).copied().unwrap_or(text.len());
    let length = PIECE_CHARS.min(token.chars().count()).max(1);
    let mut out = String::with_capacity(text.len());
    let mut hidden_until = 0;
    for (index, &at) in starts.iter().enumerate() {
        let end = end_of(index + length);
        if index + length <= starts.len() && token.contains(&text[at..end]) {
            if hidden_until < at || at == 0 {
                out.push_str("***");
            }
            hidden_until = end;
        } else if hidden_until <= at {
            out.push_str(&text[at..end_of(index + 1)]);
        }
    }
    out
}

/// A server's words made fit for logs and the outbox: one line, bounded, and without secrets,
/// whatever it echoes.
fn presentable(text: &str, secrets: &[&str]) -> String {
    let mut line = one_line(text);
    // Before cutting, which could leave half a secret that is not recognised any more.
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        line = line.replace(secret, "***");
    }
    line.chars().take(MESSAGE_MAX_CHARS).collect()
}

/// Text without control characters, marks that change the order of reading, and white space
/// other than single spaces.
fn one_line(text: &str) -> String {
    let cleaned: String = text
        .chars()
        .filter(|c| !is_direction_mark(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cleaned.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_one_short_line_without_secrets() {
        let text = "550\r\n rejected:\u{1b}[31m \"your code is 483920\" 483920\n";
        assert_eq!(
            presentable(text, &["483920", ""]),
            "550 rejected: [31m \"your code is ***\" ***"
        );
        let long = format!("{}483920", "x".repeat(MESSAGE_MAX_CHARS - 3));
        assert!(!presentable(&long, &["483920"]).contains("48"));
        assert_eq!(presentable(&"é".repeat(999), &[]).chars().count(), 300);
    }

    #[test]
    fn the_token_is_the_secret_part_of_a_link() {
        for (link, expected) in [
            ("https://example.com/reset?token=AZ-x_9", "AZ-x_9"),
            ("https://example.com/reset/AZ-x_9", "AZ-x_9"),
            ("https://example.com/#AZ-x_9", "AZ-x_9"),
            ("https://example.com/", "https://example.com/"),
        ] {
            assert_eq!(token(&Link::new(link.to_owned())), expected);
        }
    }

    #[test]
    fn no_piece_of_a_token_is_left_in_what_a_server_says() {
        let token = "AZk2qwE7cd-81_hGfQ";
        for (text, expected) in [
            ("", ""),
            ("550 é nothing to hide", "550 é nothing to hide"),
            ("bad: AZk2qwE7cd-81_hGfQ", "bad: ***"),
            ("AZk2qwE7cd-81_hGfQ AZk2qwE7cd-81_hGfQ", "*** ***"),
            ("cut: …?token=AZk2qwE7…", "cut: …?token=***…"),
            ("wrapped: AZk2qwE7=\r\ncd-81_hGfQ.", "wrapped: ***=\r\n***."),
            ("short: AZk2q", "short: AZk2q"),
        ] {
            assert_eq!(without_pieces(text, token), expected);
        }
        assert_eq!(without_pieces("any text", ""), "any text");
        assert_eq!(without_pieces("x ab y", "ab"), "x *** y");
    }
}
