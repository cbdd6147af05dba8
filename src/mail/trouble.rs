//! What went wrong between this process and a provider, and what a person can do about it.

use std::error::Error;
use std::io;

use crate::config::{MailConfig, MailProviderConfig, SmtpConfig, SmtpEncryption};

/// Why a provider did not take a mail, as far as it matters to whoever has to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The provider's host name does not exist, or no name server answers.
    UnknownHost,
    /// Nothing listens there.
    ConnectionRefused,
    /// There is no way to that host.
    Unreachable,
    /// No answer in time.
    Silent,
    /// The connection ended in the middle.
    Closed,
    /// The server does not offer STARTTLS.
    TlsNotOffered,
    /// The server takes nothing without TLS.
    TlsRequired,
    /// What answers does not speak TLS.
    NotTls,
    /// No authority vouches for the server's certificate, or it is for another name.
    Untrusted,
    /// User and password are not accepted.
    LoginRefused,
    /// The server takes no mail without a login.
    LoginMissing,
    /// The server offers no way to log in that is known here.
    LoginNotOffered,
    /// The API key is not accepted.
    KeyRefused,
    /// The API key may not send, or not as this sender.
    Forbidden,
    /// The sender's address is refused.
    SenderRefused,
    /// The recipient's address is refused.
    RecipientRefused,
    /// What the mail says is refused.
    ContentRefused,
    /// The provider is busy or out of order, and says so.
    Later,
    /// Anything else; the message says what.
    Other,
}

impl Trouble {
    /// What a failed connection died of.
    pub(super) fn of_connection(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        let mut text = String::new();
        while let Some(error) = cause {
            match error.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(io::ErrorKind::ConnectionRefused) => return Self::ConnectionRefused,
                Some(io::ErrorKind::TimedOut) => return Self::Silent,
                Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                    return Self::Unreachable;
                }
                Some(
                    io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::UnexpectedEof,
                ) => return Self::Closed,
                _ => text.push_str(&error.to_string()),
            }
            cause = error.source();
        }
        // These have no kind of their own, in the standard library and in the TLS library.
        let named = [
            ("certificate", Self::Untrusted),
            ("failed to lookup", Self::UnknownHost),
            ("could not resolve", Self::UnknownHost),
            ("corrupt message", Self::NotTls),
            ("incomplete", Self::Closed),
            ("closed", Self::Closed),
        ];
        let found = named.into_iter().find(|(words, _)| text.contains(words));
        found.map_or(Self::Other, |(_, trouble)| trouble)
    }

    /// What to do about it: a sentence or two, without any secret.
    pub fn advice(self, provider: &MailProviderConfig, config: &MailConfig) -> String {
        let smtp = match provider {
            MailProviderConfig::Smtp(smtp) => Some(smtp),
            MailProviderConfig::SendGrid(_) | MailProviderConfig::Mock => None,
        };
        let place = place(provider);
        let host_setting = if smtp.is_some() {
            "SMTP_HOST"
        } else {
            "SENDGRID_BASE_URL"
        };
        let from = config.from_address.as_str();
        match self {
            Self::UnknownHost => format!(
                "There is no host {place}, or no name server answers: check {host_setting} for a \
                 slip of the pen, and the DNS of this machine."
            ),
            Self::ConnectionRefused => format!(
                "Nothing listens at {place}: check {host_setting}{}, and whether the server runs.",
                if smtp.is_some() { " and SMTP_PORT" } else { "" }
            ),
            Self::Unreachable => format!(
                "There is no way to {place}: check this machine's network and firewall."
            ),
            Self::Silent => silence(smtp, config),
            Self::Closed => format!(
                "{place} ended the connection in the middle: it may be overloaded, may want \
                 another port or kind of TLS, or refuses this machine's address."
            ),
            Self::TlsNotOffered => "The server does not offer STARTTLS, and mail is not sent in \
                 the clear. Port 465 with SMTP_USE_TLS=implicit may work; SMTP_USE_TLS=false is for \
                 a server on this machine only."
                .to_owned(),
            Self::TlsRequired => "The server takes nothing without TLS: set SMTP_USE_TLS=true."
                .to_owned(),
            Self::NotTls => format!(
                "What answers at {place} does not speak TLS from the first byte. Port 465 does; \
                 port 587 wants STARTTLS (SMTP_USE_TLS=starttls)."
            ),
            Self::Untrusted => format!(
                "The certificate of {place} is not trusted: it is for another name, has expired, \
                 or is of an authority that this machine does not know. Use the name that the \
                 certificate has, or name the authority's file in SSL_CERT_FILE."
            ),
            Self::LoginRefused => login(smtp),
            Self::LoginMissing => "The server takes no mail without a login: set SMTP_USERNAME and \
                 SMTP_PASSWORD."
                .to_owned(),
            Self::LoginNotOffered => "The server offers no login here that is known (PLAIN, LOGIN). \
                 Many offer it after TLS only: set SMTP_USE_TLS=true; or leave SMTP_USERNAME and \
                 SMTP_PASSWORD away, if it wants none."
                .to_owned(),
            Self::KeyRefused => "SendGrid does not know the key: make one in its settings under \
                 API Keys, with the right \"Mail Send\", and put it into SENDGRID_API_KEY whole; it \
                 begins with SG. An account in the EU needs \
                 SENDGRID_BASE_URL=https://api.eu.sendgrid.com."
                .to_owned(),
            Self::Forbidden => format!(
                "SendGrid knows the key, but does not let it send as {from}: verify this sender \
                 (Settings, Sender Authentication) or set EMAIL_FROM_ADDRESS to a verified one, \
                 and give the key the right \"Mail Send\"."
            ),
            Self::SenderRefused => format!(
                "The provider does not let you send as {from}: set EMAIL_FROM_ADDRESS to an \
                 address of this account."
            ),
            Self::RecipientRefused => "The provider does not take this recipient: try an address \
                 that you know to exist."
                .to_owned(),
            Self::ContentRefused => "The provider refuses what the mail says, most often as spam: \
                 see its words above, and whether SPF and DKIM are set up for the sender's domain."
                .to_owned(),
            Self::Later => "The provider says that it cannot now. Nothing is wrong with the \
                 settings; mails of the outbox are tried again."
                .to_owned(),
            Self::Other => "See the provider's words above.".to_owned(),
        }
    }
}

/// What a provider's settings lead to.
fn place(provider: &MailProviderConfig) -> String {
    match provider {
        MailProviderConfig::Smtp(smtp) => format!("{} port {}", smtp.host, smtp.port),
        MailProviderConfig::SendGrid(sendgrid) => sendgrid.base_url.clone(),
        MailProviderConfig::Mock => "the mock".to_owned(),
    }
}

fn silence(smtp: Option<&SmtpConfig>, config: &MailConfig) -> String {
    let seconds = config.timeout.as_secs();
    let mut advice = format!(
        "There was no answer within EMAIL_TIMEOUT_SECONDS ({seconds}). A firewall may swallow the \
         connection; many hosting companies block the ports of mail."
    );
    if smtp.is_some_and(|smtp| smtp.port == 465 && smtp.encryption == SmtpEncryption::StartTls) {
        advice.push_str(" Port 465 wants SMTP_USE_TLS=implicit, else both sides wait.");
    }
    if smtp.is_some_and(|smtp| smtp.port == 25) {
        advice.push_str(" Port 25 is for mail between servers: use 587 or 465.");
    }
    advice
}

fn login(smtp: Option<&SmtpConfig>) -> String {
    match smtp {
        Some(gmail) if gmail.name == "gmail" && !gmail.has_app_password() => {
            "GMAIL_APP_PASSWORD is not an app password, which has 16 letters; the password of the \
             Google account does not work here. Switch 2-step verification on and make one at \
             https://myaccount.google.com/apppasswords."
        }
        Some(gmail) if gmail.name == "gmail" => {
            "Google refuses this login. The app password must be of the very account in \
             GMAIL_USER, and is revoked when that account's password changes or 2-step \
             verification is switched off: make a new one at \
             https://myaccount.google.com/apppasswords."
        }
        _ => {
            "The server refuses this login: check SMTP_USERNAME (often the whole address) and \
             SMTP_PASSWORD; some providers want a password made for this purpose."
        }
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connection_is_understood() {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, NetworkUnreachable, TimedOut};
        for (kind, trouble) in [
            (ConnectionRefused, Trouble::ConnectionRefused),
            (ConnectionReset, Trouble::Closed),
            (NetworkUnreachable, Trouble::Unreachable),
            (TimedOut, Trouble::Silent),
        ] {
            assert_eq!(Trouble::of_connection(&io::Error::from(kind)), trouble);
        }
        for (text, trouble) in [
            (
                "invalid peer certificate: UnknownIssuer",
                Trouble::Untrusted,
            ),
            (
                "failed to lookup address information: Name or service not known",
                Trouble::UnknownHost,
            ),
            (
                "received corrupt message of type InvalidContentType",
                Trouble::NotTls,
            ),
            ("gone fishing", Trouble::Other),
        ] {
            assert_eq!(Trouble::of_connection(&io::Error::other(text)), trouble);
        }
    }
}
