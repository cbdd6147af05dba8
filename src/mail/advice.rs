//! Why a provider could not be used, and what an operator can do about it.

use std::error::Error;
use std::io;

use crate::config::{MailConfig, MailProviderConfig, SmtpConfig, SmtpEncryption};
use crate::domain::mail::DeliveryErrorKind;

/// Why a connection failed.
pub(super) fn connection_error_kind(error: &(dyn Error + 'static)) -> DeliveryErrorKind {
    let mut cause = Some(error);
    let mut text = String::new();
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return DeliveryErrorKind::ConnectionRefused,
            Some(io::ErrorKind::TimedOut) => return DeliveryErrorKind::Timeout,
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                return DeliveryErrorKind::Unreachable;
            }
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => return DeliveryErrorKind::ConnectionClosed,
            _ => text.push_str(&error.to_string()),
        }
        cause = error.source();
    }
    // These have no kind of their own, in the standard library and in the TLS library.
    let named = [
        ("certificate", DeliveryErrorKind::UntrustedCertificate),
        ("failed to lookup", DeliveryErrorKind::UnknownHost),
        ("could not resolve", DeliveryErrorKind::UnknownHost),
        ("corrupt message", DeliveryErrorKind::NotTls),
        ("incomplete", DeliveryErrorKind::ConnectionClosed),
        ("closed", DeliveryErrorKind::ConnectionClosed),
    ];
    let found = named.into_iter().find(|(words, _)| text.contains(words));
    found.map_or(DeliveryErrorKind::Other, |(_, kind)| kind)
}

/// What an operator can do about a failed delivery: a sentence or two, without any secret.
pub fn advice(
    kind: DeliveryErrorKind,
    provider: &MailProviderConfig,
    config: &MailConfig,
) -> String {
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
    match kind {
            DeliveryErrorKind::UnknownHost => format!(
                "There is no host {place}, or no name server answers: check {host_setting} for a \
                 slip of the pen, and the DNS of this machine."
            ),
            DeliveryErrorKind::ConnectionRefused => format!(
                "Nothing listens at {place}: check {host_setting}{}, and whether the server runs.",
                if smtp.is_some() { " and SMTP_PORT" } else { "" }
            ),
            DeliveryErrorKind::Unreachable => format!(
                "There is no way to {place}: check this machine's network and firewall."
            ),
            DeliveryErrorKind::Timeout => silence(smtp, config),
            DeliveryErrorKind::ConnectionClosed => format!(
                "{place} ended the connection in the middle: it may be overloaded, may want \
                 another port or kind of TLS, or refuses this machine's address."
            ),
            DeliveryErrorKind::TlsNotOffered => "The server does not offer STARTTLS, and mail is not sent in \
                 the clear. Port 465 with SMTP_USE_TLS=implicit may work; SMTP_USE_TLS=false is for \
                 a server on this machine only."
                .to_owned(),
            DeliveryErrorKind::TlsRequired => "The server takes nothing without TLS: set SMTP_USE_TLS=true."
                .to_owned(),
            DeliveryErrorKind::NotTls => format!(
                "What answers at {place} does not speak TLS from the first byte. Port 465 does; \
                 port 587 wants STARTTLS (SMTP_USE_TLS=starttls)."
            ),
            DeliveryErrorKind::UntrustedCertificate => format!(
                "The certificate of {place} is not trusted: it is for another name, has expired, \
                 or is of an authority that this machine does not know. Use the name that the \
                 certificate has, or name the authority's file in SSL_CERT_FILE."
            ),
            DeliveryErrorKind::LoginRefused => login(smtp),
            DeliveryErrorKind::LoginMissing => "The server takes no mail without a login: set SMTP_USERNAME and \
                 SMTP_PASSWORD."
                .to_owned(),
            DeliveryErrorKind::LoginNotOffered => "The server offers no login here that is known (PLAIN, LOGIN). \
                 Many offer it after TLS only: set SMTP_USE_TLS=true; or leave SMTP_USERNAME and \
                 SMTP_PASSWORD away, if it wants none."
                .to_owned(),
            DeliveryErrorKind::KeyRefused => "SendGrid does not know the key: make one in its settings under \
                 API Keys, with the right \"Mail Send\", and put it into SENDGRID_API_KEY whole; it \
                 begins with SG. An account in the EU needs \
                 SENDGRID_BASE_URL=https://api.eu.sendgrid.com."
                .to_owned(),
            DeliveryErrorKind::Forbidden => format!(
                "SendGrid knows the key, but does not let it send as {from}: verify this sender \
                 (Settings, Sender Authentication) or set EMAIL_FROM_ADDRESS to a verified one, \
                 and give the key the right \"Mail Send\"."
            ),
            DeliveryErrorKind::SenderRefused => format!(
                "The provider does not let you send as {from}: set EMAIL_FROM_ADDRESS to an \
                 address of this account."
            ),
            DeliveryErrorKind::RecipientRefused => "The provider does not take this recipient: try an address \
                 that you know to exist."
                .to_owned(),
            DeliveryErrorKind::ContentRefused => "The provider refuses what the mail says, most often as spam: \
                 see its words above, and whether SPF and DKIM are set up for the sender's domain."
                .to_owned(),
            DeliveryErrorKind::Unavailable => "The provider says that it cannot now. Nothing is wrong with the \
                 settings; mails of the outbox are tried again."
                .to_owned(),
            DeliveryErrorKind::Other => "See the provider's words above.".to_owned(),
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
        for (error, kind) in [
            (ConnectionRefused, DeliveryErrorKind::ConnectionRefused),
            (ConnectionReset, DeliveryErrorKind::ConnectionClosed),
            (NetworkUnreachable, DeliveryErrorKind::Unreachable),
            (TimedOut, DeliveryErrorKind::Timeout),
        ] {
            assert_eq!(connection_error_kind(&io::Error::from(error)), kind);
        }
        for (text, kind) in [
            (
                "invalid peer certificate: UnknownIssuer",
                DeliveryErrorKind::UntrustedCertificate,
            ),
            (
                "failed to lookup address information: Name or service not known",
                DeliveryErrorKind::UnknownHost,
            ),
            (
                "received corrupt message of type InvalidContentType",
                DeliveryErrorKind::NotTls,
            ),
            ("gone fishing", DeliveryErrorKind::Other),
        ] {
            assert_eq!(connection_error_kind(&io::Error::other(text)), kind);
        }
    }
}
