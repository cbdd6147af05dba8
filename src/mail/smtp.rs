//! SMTP: one conversation per mail over connections that are kept for a short while.
//!
//! The pool of the library reuses a connection even if sending on it was interrupted by a deadline.
//! The late response is then read as the response to the next mail: a refused mail counts as sent.
//! Here a connection is reused only after a complete conversation.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use secrecy::ExposeSecret;

use super::advice::connection_error_kind;
use super::message::Composer;
use super::presentable;
use crate::config::{MailConfig, SmtpConfig, SmtpEncryption};
use crate::domain::clock::Clock;
use crate::domain::mail::{DeliveryError, DeliveryErrorKind, RenderedMail};

/// How long an unused connection is kept; servers close theirs after some minutes.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// The longest wait for the response to QUIT.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct SmtpProvider {
    config: SmtpConfig,
    tls: Option<TlsParameters>,
    composer: Composer,
    clock: Clock,
    connect_timeout: Duration,
    idle: Mutex<Vec<Idle>>,
    max_idle: usize,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

/// The envelope and the content.
struct Message {
    to: Address,
    content: Vec<u8>,
}

/// The stage of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Connection, TLS and greeting.
    Connection,
    Login,
    /// MAIL.
    Sender,
    /// RCPT.
    Recipient,
    /// DATA and the content.
    Content,
}

/// The one place that decides whether an error is permanent; `docs/email.md` explains it to
/// operators. A 5xx response to the sender, the recipient or the content is. Everything else may
/// pass or be fixed by an operator: 4xx, errors of the network, of TLS and of the greeting, and all
/// errors of the login.
fn is_permanent(stage: Stage, code: u16) -> bool {
    let is_about_the_mail = matches!(stage, Stage::Sender | Stage::Recipient | Stage::Content);
    is_about_the_mail && (500..=599).contains(&code) && !LOGIN_CODES.contains(&code)
}

/// A failed conversation.
struct ConversationError {
    error: DeliveryError,
    /// Whether the connection may just have been old, and the mail was certainly not accepted.
    stale: bool,
}

impl fmt::Debug for SmtpProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SmtpProvider").field(&self.config).finish()
    }
}

impl SmtpProvider {
    pub(super) fn new(
        config: &SmtpConfig,
        mail: &MailConfig,
        clock: Clock,
    ) -> Result<Self, String> {
        let tls = match config.encryption {
            SmtpEncryption::Implicit | SmtpEncryption::StartTls => {
                let tls = TlsParameters::new(config.host.clone());
                Some(tls.map_err(|error| error.to_string())?)
            }
            SmtpEncryption::None => None,
        };
        let composer = Composer::new(&mail.from_address, &mail.from_name)
            .map_err(|error| format!("{}: {error}", mail.from_address.as_str()))?;
        Ok(Self {
            config: config.clone(),
            tls,
            composer,
            clock,
            connect_timeout: mail.timeout,
            idle: Mutex::default(),
            max_idle: mail.concurrency,
        })
    }

    pub(super) fn name(&self) -> &'static str {
        self.config.name
    }

    /// Sends a mail, without a deadline. Dropping the future closes the connection. A mail that
    /// cannot be encoded is a permanent error.
    pub(super) async fn send(&self, mail: &RenderedMail) -> Result<(), DeliveryError> {
        let message = self
            .write(mail)
            .map_err(|message| DeliveryError::permanent(DeliveryErrorKind::Other, message))?;
        if let Some(mut connection) = self.take_idle() {
            match self.converse(&mut connection, &message).await {
                Err(failure) if failure.stale => {}
                outcome => return self.conclude(connection, outcome).await,
            }
        }
        let mut connection = self.connect().await?;
        let outcome = self.converse(&mut connection, &message).await;
        self.conclude(connection, outcome).await
    }

    /// Connects, encrypts, logs in and quits, without a deadline.
    pub(super) async fn try_login(&self) -> Result<(), DeliveryError> {
        let mut connection = self.connect().await?;
        let _ = tokio::time::timeout(QUIT_TIMEOUT, connection.quit()).await;
        Ok(())
    }

    fn write(&self, mail: &RenderedMail) -> Result<Message, String> {
        let to: Address = mail
            .to
            .as_str()
            .parse()
            .map_err(|error| format!("recipient: {error}"))?;
        let content = self.composer.compose(mail, to.clone(), self.clock.now());
        Ok(Message {
            to,
            content: content.map_err(|error| error.to_string())?,
        })
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, DeliveryError> {
        let at = |stage| move |error: Error| self.error(stage, &error);
        let hello = ClientId::default();
        let (wrapper, starttls) = match self.config.encryption {
            SmtpEncryption::Implicit => (self.tls.clone(), None),
            SmtpEncryption::StartTls => (None, self.tls.clone()),
            SmtpEncryption::None => (None, None),
        };
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (self.config.host.as_str(), self.config.port),
            Some(self.connect_timeout),
            &hello,
            wrapper,
            None,
        )
        .await
        .map_err(at(Stage::Connection))?;
        if let Some(tls) = starttls {
            if !connection
                .server_info()
                .supports_feature(Extension::StartTls)
            {
                return Err(DeliveryError::transient(
                    DeliveryErrorKind::TlsNotOffered,
                    "the server does not offer STARTTLS",
                ));
            }
            let upgraded = connection.starttls(tls, &hello).await;
            upgraded.map_err(at(Stage::Connection))?;
        }
        if let Some((user, password)) = &self.config.credentials {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            let logged_in = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            logged_in.map_err(at(Stage::Login))?;
        }
        Ok(connection)
    }

    async fn converse(
        &self,
        connection: &mut AsyncSmtpConnection,
        message: &Message,
    ) -> Result<(), ConversationError> {
        let mut parameters = Vec::new();
        // The composer encodes everything except addresses.
        if !message.content.is_ascii() {
            let server = connection.server_info();
            if !server.supports_feature(Extension::SmtpUtfEight) {
                return Err(ConversationError {
                    error: DeliveryError::permanent(
                        DeliveryErrorKind::RecipientRefused,
                        "the server takes ASCII addresses only",
                    ),
                    stale: false,
                });
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let envelope = async {
            let from = self.composer.sender().clone();
            let to = message.to.clone();
            let at = |stage| move |error: Error| (stage, error);
            let mail = Mail::new(Some(from), parameters);
            connection.command(mail).await.map_err(at(Stage::Sender))?;
            let rcpt = Rcpt::new(to, vec![]);
            connection
                .command(rcpt)
                .await
                .map_err(at(Stage::Recipient))?;
            connection.command(Data).await.map_err(at(Stage::Content))
        };
        let go_ahead = envelope.await.map_err(|(stage, error)| ConversationError {
            error: self.error(stage, &error),
            stale: error.status().is_none() || has_code(&error, &[421]),
        })?;
        // Another positive response belongs to another command.
        if !go_ahead.has_code(354) {
            return Err(ConversationError {
                error: DeliveryError::transient(
                    DeliveryErrorKind::Other,
                    format!("{} in answer to DATA", go_ahead.code()),
                ),
                stale: true,
            });
        }
        let taken = connection.message(&message.content).await;
        taken.map(drop).map_err(|error| ConversationError {
            error: self.error(Stage::Content, &error),
            stale: false,
        })
    }

    /// Keeps the connection after a success, and quits after an error.
    async fn conclude(
        &self,
        mut connection: AsyncSmtpConnection,
        outcome: Result<(), ConversationError>,
    ) -> Result<(), DeliveryError> {
        match outcome {
            Ok(()) => {
                self.keep(connection);
                Ok(())
            }
            Err(failure) => {
                let _ = tokio::time::timeout(QUIT_TIMEOUT, connection.abort()).await;
                Err(failure.error)
            }
        }
    }

    fn error(&self, stage: Stage, error: &Error) -> DeliveryError {
        let code = error.status().map(u16::from);
        DeliveryError {
            permanent: code.is_some_and(|code| is_permanent(stage, code)),
            ..DeliveryError::transient(self.kind(stage, code, error), self.words_of(error))
        }
    }

    fn kind(&self, stage: Stage, code: Option<u16>, error: &Error) -> DeliveryErrorKind {
        let in_clear = self.config.encryption == SmtpEncryption::None;
        match (code, stage) {
            (None, Stage::Login) if error.is_client() => DeliveryErrorKind::LoginNotOffered,
            (None, _) => connection_error_kind(error),
            (Some(530), _) if in_clear && error.to_string().contains("STARTTLS") => {
                DeliveryErrorKind::TlsRequired
            }
            (Some(code), _) if LOGIN_CODES.contains(&code) && self.config.credentials.is_none() => {
                DeliveryErrorKind::LoginMissing
            }
            (Some(code), _) if LOGIN_CODES.contains(&code) => DeliveryErrorKind::LoginRefused,
            (Some(400..=499), _) => DeliveryErrorKind::Unavailable,
            (Some(_), Stage::Login) => DeliveryErrorKind::LoginRefused,
            (Some(_), Stage::Sender) => DeliveryErrorKind::SenderRefused,
            (Some(_), Stage::Recipient) => DeliveryErrorKind::RecipientRefused,
            (Some(_), Stage::Content) => DeliveryErrorKind::ContentRefused,
            (Some(_), Stage::Connection) => DeliveryErrorKind::Other,
        }
    }

    fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.since.elapsed() < IDLE_MAX);
        idle.pop().map(|idle| idle.connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.max_idle {
            let since = Instant::now();
            idle.push(Idle { connection, since });
        }
    }

    /// The response of the server, without the password in case it echoes the login.
    fn words_of(&self, error: &Error) -> String {
        let Some((user, password)) = &self.config.credentials else {
            return error.to_string();
        };
        let password = password.expose_secret();
        let encoded = BASE64.encode(password);
        let plain = BASE64.encode(format!("\0{user}\0{password}"));
        presentable(&error.to_string(), &[&plain, &encoded, password])
    }
}

/// Responses about the login (RFC 4954), which can also follow a later command.
const LOGIN_CODES: [u16; 4] = [530, 534, 535, 538];

fn has_code(error: &Error, codes: &[u16]) -> bool {
    error
        .status()
        .is_some_and(|status| codes.contains(&status.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_5xx_answers_about_the_mail_are_permanent() {
        use Stage::{Connection, Content, Login, Recipient, Sender};
        for (stage, code) in [
            (Sender, 550),
            (Sender, 553),
            (Recipient, 550),
            (Recipient, 552),
            (Recipient, 553),
            (Content, 552),
            (Content, 554),
        ] {
            assert!(is_permanent(stage, code), "{stage:?} {code}");
        }
        for (stage, code) in [
            (Connection, 421),
            (Connection, 554),
            (Login, 454),
            (Login, 534),
            (Login, 535),
            (Sender, 450),
            (Sender, 530),
            (Recipient, 421),
            (Recipient, 450),
            (Recipient, 451),
            (Recipient, 452),
            (Content, 451),
        ] {
            assert!(!is_permanent(stage, code), "{stage:?} {code}");
        }
    }
}
