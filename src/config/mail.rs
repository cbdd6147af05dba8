//! The mail providers: what the `EMAIL_SERVICE`, `GMAIL_*`, `SENDGRID_*` and `SMTP_*` settings make
//! together.

use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use strum::{Display, EnumString, IntoStaticStr};
use url::{Host, Url};

use super::parser::{MOCK_SENDER, Parser, list, parse_flag};
use super::reader::Reader;
use super::settings::{MailConfig, MailProviderSettings};

const GMAIL_HOST: &str = "smtp.gmail.com";
/// For message submission (RFC 6409).
const SUBMISSION_PORT: u16 = 587;
/// TLS from the first byte (RFC 8314).
const IMPLICIT_TLS_PORT: u16 = 465;

/// A way to send mail.
#[derive(Clone, Debug, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum MailProviderConfig {
    /// Prints the mail on the console and keeps it for the mailbox page.
    Mock,
    /// Any SMTP server, Gmail included.
    Smtp(SmtpConfig),
    SendGrid(SendGridConfig),
}

impl MailProviderConfig {
    /// Its name in settings, logs and outbox rows.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Smtp(smtp) => smtp.name,
            other => other.into(),
        }
    }

    pub fn is_mock(&self) -> bool {
        matches!(self, Self::Mock)
    }
}

#[derive(Clone, Debug)]
pub struct SendGridConfig {
    pub api_key: SecretString,
    /// `https`, or a loopback host. Without a slash at the end.
    pub base_url: String,
}

#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// `gmail` or `smtp`.
    pub name: &'static str,
    pub host: String,
    pub port: u16,
    /// User name and password.
    pub credentials: Option<(String, SecretString)>,
    pub encryption: SmtpEncryption,
}

impl SmtpConfig {
    pub fn has_app_password(&self) -> bool {
        let password = self.credentials.as_ref().map(|(_, password)| password);
        password.is_some_and(|password| is_app_password(password.expose_secret()))
    }
}

#[derive(Clone, Copy, Debug, EnumString, PartialEq, Eq)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum SmtpEncryption {
    /// TLS from the first byte (port 465).
    Implicit,
    /// STARTTLS, required.
    StartTls,
    #[strum(disabled)]
    None,
}

/// One of `EMAIL_SERVICE`.
#[derive(Clone, Copy, Debug, Display, EnumString, PartialEq, Eq)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub(super) enum MailService {
    Gmail,
    SendGrid,
    Smtp,
    Mock,
}

pub(super) fn read(r: &mut Reader) -> MailConfig {
    let settings = MailProviderSettings::read(r);
    require_settings(r, &settings.services);
    let providers = providers(r, settings);
    MailConfig::read(r, providers)
}

fn require_settings(r: &mut Reader, services: &[MailService]) {
    let sender = ("EMAIL_FROM_ADDRESS", "an email address");
    for service in services {
        let required = match service {
            MailService::Gmail => &[
                ("GMAIL_USER", "a Gmail address"),
                ("GMAIL_APP_PASSWORD", "an app password"),
            ][..],
            MailService::SendGrid => &[("SENDGRID_API_KEY", "an API key"), sender],
            MailService::Smtp => &[("SMTP_HOST", "a host name"), sender],
            MailService::Mock => &[],
        };
        for (name, accepted) in required {
            if (*name, *accepted) != sender || !r.is_set("GMAIL_USER") {
                let accepted = format!("{accepted}, because EMAIL_SERVICE has {service}");
                r.require(name, accepted);
            }
        }
    }
    for (name, other, accepted) in [
        ("SMTP_PASSWORD", "SMTP_USERNAME", "a password"),
        ("SMTP_USERNAME", "SMTP_PASSWORD", "a user name"),
    ] {
        if r.is_set(other) {
            r.require(name, format!("{accepted}, because {other} is set"));
        }
    }
}

fn providers(r: &mut Reader, settings: MailProviderSettings) -> Vec<MailProviderConfig> {
    let services = settings.services;
    let uses_smtp = services.contains(&MailService::Smtp);
    let by_port = match settings.smtp_port {
        IMPLICIT_TLS_PORT => SmtpEncryption::Implicit,
        _ => SmtpEncryption::StartTls,
    };
    let server = SmtpConfig {
        name: "smtp",
        host: settings.smtp_host,
        port: settings.smtp_port,
        credentials: settings.smtp_username.zip(settings.smtp_password),
        encryption: settings.smtp_encryption.unwrap_or(by_port),
    };
    if server.encryption == SmtpEncryption::None
        && !is_loopback(&server.host)
        && (uses_smtp || services.contains(&MailService::Gmail))
    {
        r.warnings.push(format!(
            "SMTP_USE_TLS is false: mails and the password are sent to {} in plain text",
            server.host
        ));
    }
    let gmail_user = settings.gmail_user.map(|user| user.as_str().to_owned());
    let gmail_password = settings.gmail_password.map(|password| {
        let password: String = password.expose_secret().split_whitespace().collect();
        if !is_app_password(&password) {
            r.warnings.push(
                "GMAIL_APP_PASSWORD is not an app password, which has 16 letters: Gmail will \
                 refuse it (create one at https://myaccount.google.com/apppasswords)"
                    .to_owned(),
            );
        }
        SecretString::from(password)
    });
    let mut gmail = SmtpConfig {
        name: "gmail",
        credentials: gmail_user.zip(gmail_password),
        ..server.clone()
    };
    // If both are used, the SMTP settings are about the other server.
    if uses_smtp {
        GMAIL_HOST.clone_into(&mut gmail.host);
        gmail.port = SUBMISSION_PORT;
        gmail.encryption = SmtpEncryption::StartTls;
    }
    let api_key = settings.sendgrid_api_key.unwrap_or_default();
    let api_key = api_key.expose_secret().trim();
    if !api_key.is_empty() && !api_key.starts_with("SG.") {
        r.warnings
            .push("SENDGRID_API_KEY is not a SendGrid key, which starts with SG.".to_owned());
    }
    let sendgrid = SendGridConfig {
        api_key: api_key.into(),
        base_url: settings.sendgrid_base_url,
    };
    let provider = |service: &MailService| match service {
        MailService::Gmail => MailProviderConfig::Smtp(gmail.clone()),
        MailService::SendGrid => MailProviderConfig::SendGrid(sendgrid.clone()),
        MailService::Smtp => MailProviderConfig::Smtp(server.clone()),
        MailService::Mock => MailProviderConfig::Mock,
    };
    services.iter().map(provider).collect()
}

pub(super) fn services() -> Parser<Vec<MailService>> {
    let names = list("", |name| name.parse().ok());
    let accepted = "gmail, sendgrid, smtp or mock, or a comma-separated list of them, each once";
    Parser::new(accepted, Vec::new(), move |text| {
        let services: Vec<MailService> = (names.parse)(text)?;
        let is_first = |(place, service)| !services[..place].contains(service);
        let is_valid = !services.is_empty() && services.iter().enumerate().all(is_first);
        is_valid.then_some(services)
    })
}

/// The default of `SMTP_HOST`.
pub(super) fn default_host(r: &Reader) -> String {
    let services = r.value("EMAIL_SERVICE").unwrap_or_default().to_lowercase();
    let only_gmail = services.contains("gmail") && !services.contains("smtp");
    if only_gmail { GMAIL_HOST } else { "" }.to_owned()
}

/// The default of `EMAIL_FROM_ADDRESS`.
pub(super) fn default_sender(r: &Reader) -> String {
    r.value("GMAIL_USER").unwrap_or(MOCK_SENDER).to_owned()
}

/// The encryption, unless it depends on the port.
pub(super) fn encryption() -> Parser<Option<SmtpEncryption>> {
    let accepted = "true, false, starttls or implicit";
    Parser::new(accepted, None, |text| match parse_flag(text) {
        Some(true) => Some(None),
        Some(false) => Some(Some(SmtpEncryption::None)),
        None => text.trim().parse().ok().map(Some),
    })
}

pub(super) fn is_api_key(key: &str) -> bool {
    key.trim().bytes().all(|b| b.is_ascii_graphic())
}

/// Whether it looks like what Google generates: 16 letters.
fn is_app_password(password: &str) -> bool {
    password.len() == 16 && password.bytes().all(|b| b.is_ascii_alphabetic())
}

/// A URL to which the API key can be sent.
pub(super) fn base_url() -> Parser<String> {
    let accepted =
        "an https:// URL without user, path, query or fragment (http:// for this machine only)";
    Parser::new(accepted, String::new(), |text| {
        let url = Url::parse(text.trim()).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']);
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let is_safe = match url.scheme() {
            "https" => true,
            "http" => is_loopback(host),
            _ => false,
        };
        (is_bare && is_safe).then(|| url.as_str().trim_end_matches('/').to_owned())
    })
}

pub(super) fn host() -> Parser<String> {
    let accepted = "a host name or an IP address, without a port";
    Parser::new(accepted, String::new(), |text| {
        let host = text.trim();
        let is_valid =
            host.is_empty() || host.parse::<IpAddr>().is_ok() || Host::parse(host).is_ok();
        is_valid.then(|| host.to_owned())
    })
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
