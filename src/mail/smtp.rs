//! SMTP: one conversation per mail over connections that are kept for a short while.
//!
//! The library's own pool takes a connection back even when the send on it was given up half-way
//! (a deadline passed). The late answer would then be taken for that of the next mail's command,
//! and so on: a refused mail would count as sent. Here a connection returns only after a
//! conversation that was held to its end.

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

use super::message::Composer;
use super::{Refusal, presentable};
use crate::config::{MailConfig, SmtpConfig, SmtpEncryption};
use crate::domain::clock::Clock;
use crate::domain::mail::RenderedMail;

/// How long an unused connection is kept; servers close theirs after some minutes.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How long to wait for a server's good-bye.
const FAREWELL: Duration = Duration::from_secs(1);

/// A mail server.
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

/// A mail on its way: what the envelope says, and the content.
struct Letter {
    to: Address,
    content: Vec<u8>,
}

/// A conversation that failed.
struct Failure {
    refusal: Refusal,
    /// Whether the connection may merely have been old, and the mail cannot have been taken.
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

    /// Sends a mail, without a deadline of its own. Dropping the future closes the connection.
    ///
    /// Permanent is a 5xx answer to the sender, the recipient or the content, and a mail that
    /// cannot be written down. Everything else may pass or be mended by an operator, and is
    /// transient: 4xx, trouble with the network, with TLS, with the greeting, and with the login,
    /// whatever its code.
    pub(super) async fn send(&self, mail: &RenderedMail) -> Result<(), Refusal> {
        let letter = self.write(mail).map_err(Refusal::permanent)?;
        if let Some(mut connection) = self.take_idle() {
            match self.converse(&mut connection, &letter).await {
                Err(failure) if failure.stale => {}
                outcome => return self.conclude(connection, outcome).await,
            }
        }
        let mut connection = self
            .connect()
            .await
            .map_err(|error| Refusal::transient(self.words_of(&error)))?;
        let outcome = self.converse(&mut connection, &letter).await;
        self.conclude(connection, outcome).await
    }

    /// Connects, encrypts, logs in and says good-bye, without a deadline of its own.
    pub(super) async fn try_login(&self) -> Result<(), String> {
        let connected = self.connect().await;
        let mut connection = connected.map_err(|error| self.words_of(&error))?;
        let _ = tokio::time::timeout(FAREWELL, connection.quit()).await;
        Ok(())
    }

    fn write(&self, mail: &RenderedMail) -> Result<Letter, String> {
        let to: Address = mail
            .to
            .as_str()
            .parse()
            .map_err(|error| format!("recipient: {error}"))?;
        let content = self.composer.compose(mail, to.clone(), self.clock.now());
        Ok(Letter {
            to,
            content: content.map_err(|error| error.to_string())?,
        })
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
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
        .await?;
        if let Some(tls) = starttls {
            connection.starttls(tls, &hello).await?;
        }
        if let Some((user, password)) = &self.config.credentials {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }

    async fn converse(
        &self,
        connection: &mut AsyncSmtpConnection,
        letter: &Letter,
    ) -> Result<(), Failure> {
        let mut parameters = Vec::new();
        // The composer encodes everything but addresses.
        if !letter.content.is_ascii() {
            let server = connection.server_info();
            if !server.supports_feature(Extension::SmtpUtfEight) {
                return Err(Failure {
                    refusal: Refusal::permanent("the server takes ASCII addresses only"),
                    stale: false,
                });
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let envelope = async {
            let from = self.composer.sender().clone();
            let to = letter.to.clone();
            connection
                .command(Mail::new(Some(from), parameters))
                .await?;
            connection.command(Rcpt::new(to, vec![])).await?;
            connection.command(Data).await
        };
        let go_ahead = envelope.await.map_err(|error| Failure {
            refusal: self.refusal(&error),
            stale: error.status().is_none() || has_code(&error, &[421]),
        })?;
        // Any other positive answer belongs to another command: the two sides are out of step.
        if !go_ahead.has_code(354) {
            return Err(Failure {
                refusal: Refusal::transient(format!("{} in answer to DATA", go_ahead.code())),
                stale: true,
            });
        }
        let taken = connection.message(&letter.content).await;
        taken.map(drop).map_err(|error| Failure {
            refusal: self.refusal(&error),
            stale: false,
        })
    }

    /// Keeps the connection after a mail was taken, and says good-bye after a refusal.
    async fn conclude(
        &self,
        mut connection: AsyncSmtpConnection,
        outcome: Result<(), Failure>,
    ) -> Result<(), Refusal> {
        match outcome {
            Ok(()) => {
                self.keep(connection);
                Ok(())
            }
            Err(failure) => {
                let _ = tokio::time::timeout(FAREWELL, connection.abort()).await;
                Err(failure.refusal)
            }
        }
    }

    fn refusal(&self, error: &Error) -> Refusal {
        Refusal {
            permanent: error.is_permanent() && !has_code(error, &LOGIN_CODES),
            message: self.words_of(error),
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

    /// An error in the server's words, less the password should it echo the login.
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

/// Answers about the login (RFC 4954), which may also come to a later command.
const LOGIN_CODES: [u16; 4] = [530, 534, 535, 538];

fn has_code(error: &Error, codes: &[u16]) -> bool {
    error
        .status()
        .is_some_and(|status| codes.contains(&status.into()))
}
