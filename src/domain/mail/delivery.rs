//! Why a mail was not delivered.

use std::time::Duration;

/// A failed delivery, from the provider's conversation to the recorded attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// The provider that was tried last: `gmail`, `smtp`, `sendgrid`, or `none` if none was reached.
    pub provider: &'static str,
    pub kind: DeliveryErrorKind,
    /// Whether another attempt cannot succeed.
    pub permanent: bool,
    /// The shortest delay before the next attempt that the provider asked for.
    pub retry_after: Option<Duration>,
    /// What providers answered, without secrets.
    pub message: String,
}

impl DeliveryError {
    /// An error that may pass. Its provider is filled in by the mailer.
    pub fn transient(kind: DeliveryErrorKind, message: impl Into<String>) -> Self {
        Self {
            provider: "none",
            kind,
            permanent: false,
            retry_after: None,
            message: message.into(),
        }
    }

    /// An error that every other attempt would meet again.
    pub fn permanent(kind: DeliveryErrorKind, message: impl Into<String>) -> Self {
        Self {
            permanent: true,
            ..Self::transient(kind, message)
        }
    }
}

/// The cause of a failed delivery, as far as an operator can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryErrorKind {
    UnknownHost,
    ConnectionRefused,
    Unreachable,
    Timeout,
    ConnectionClosed,
    /// The server does not offer STARTTLS.
    TlsNotOffered,
    /// The server accepts no mail without TLS.
    TlsRequired,
    /// The server does not speak TLS on this port.
    NotTls,
    UntrustedCertificate,
    LoginRefused,
    /// The server accepts no mail without a login, and none is configured.
    LoginMissing,
    /// The server offers no supported login mechanism.
    LoginNotOffered,
    KeyRefused,
    /// The API key may not send, or not as this sender.
    Forbidden,
    SenderRefused,
    RecipientRefused,
    ContentRefused,
    /// The provider is busy or out of order, and says so.
    Unavailable,
    Other,
}
