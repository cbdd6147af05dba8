//! How mail is sent: from the `EMAIL_*`, `GMAIL_*` and `SMTP_*` settings to a list of providers.

use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use url::Host;

use super::load::{comma_list, flag};
use super::reader::Reader;
use super::settings::{self, Setting};
use super::{AppConfig, Environment, MailConfig, MailProviderConfig, SmtpConfig, SmtpEncryption};
use crate::domain::email::EmailAddress;

/// The sender if nothing else is known: good enough for mails that nobody receives.
const MOCK_SENDER: &str = "no-reply@gatelodge.example";

const GMAIL_HOST: &str = "smtp.gmail.com";
/// For message submission (RFC 6409).
const SUBMISSION_PORT: u16 = 587;
/// TLS from the first byte (RFC 8314).
const IMPLICIT_TLS_PORT: u16 = 465;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Gmail,
    Smtp,
    Mock,
}

pub(super) fn read(r: &mut Reader, app: &AppConfig) -> MailConfig {
    let development = app.environment == Environment::Development;
    let services = services(r);
    let gmail_user = r.email(settings::GMAIL_USER);
    let providers = providers(r, &services, gmail_user.as_ref());

    let sender = match &gmail_user {
        Some(user) => settings::EMAIL_FROM_ADDRESS.or(user.as_str()),
        None if !services.contains(&Service::Smtp) => settings::EMAIL_FROM_ADDRESS.or(MOCK_SENDER),
        None => settings::EMAIL_FROM_ADDRESS,
    };
    let from_address = r.email(sender);
    if services.contains(&Service::Smtp) && !r.is_set(settings::GMAIL_USER) {
        r.require(
            settings::EMAIL_FROM_ADDRESS,
            "an e-mail address, because EMAIL_SERVICE has smtp",
        );
    }
    MailConfig {
        providers,
        from_address: from_address
            .unwrap_or_else(|| EmailAddress::from_canonical(MOCK_SENDER.to_owned())),
        from_name: r
            .line(settings::EMAIL_FROM_NAME.or(&app.name))
            .unwrap_or_default(),
        timeout: std::time::Duration::from_secs(
            r.integer(settings::EMAIL_TIMEOUT_SECONDS, 1..=120),
        ),
        max_attempts: r.integer(settings::EMAIL_MAX_ATTEMPTS, 1..=50),
        fallback_to_console: r.flag(settings::EMAIL_FALLBACK_TO_CONSOLE.or(flag(development))),
        concurrency: r.integer(settings::WORKER_CONCURRENCY, 1..=256),
    }
}

fn services(r: &mut Reader) -> Vec<Service> {
    let default = if r.is_set(settings::GMAIL_USER) {
        "gmail"
    } else {
        "mock"
    };
    let parse = |text: &str| {
        let mut services = Vec::new();
        for name in comma_list(text) {
            let service = match name.to_ascii_lowercase().as_str() {
                "gmail" => Service::Gmail,
                "smtp" => Service::Smtp,
                "mock" => Service::Mock,
                _ => return None,
            };
            if services.contains(&service) {
                return None;
            }
            services.push(service);
        }
        (!services.is_empty()).then_some(services)
    };
    r.read(
        settings::EMAIL_SERVICE.or(default),
        "gmail, smtp or mock, or a comma list of them, each once \
         (sendgrid is not available in this version)",
        parse,
    )
    .unwrap_or_default()
}

fn providers(
    r: &mut Reader,
    services: &[Service],
    gmail_user: Option<&EmailAddress>,
) -> Vec<MailProviderConfig> {
    let uses_gmail = services.contains(&Service::Gmail);
    let uses_smtp = services.contains(&Service::Smtp);
    if uses_gmail {
        r.require(
            settings::GMAIL_USER,
            "a Gmail address, because EMAIL_SERVICE has gmail",
        );
        r.require(
            settings::GMAIL_APP_PASSWORD,
            "an app password, because EMAIL_SERVICE has gmail",
        );
    }
    if uses_smtp {
        r.require(
            settings::SMTP_HOST,
            "a host name, because EMAIL_SERVICE has smtp",
        );
    }

    let gmail_password = gmail_password(r);
    let server = if uses_gmail && !uses_smtp {
        smtp_server(r, settings::SMTP_HOST.or(GMAIL_HOST))
    } else {
        smtp_server(r, settings::SMTP_HOST)
    };
    let in_clear = server.encryption == SmtpEncryption::None && !is_loopback(&server.host);
    if in_clear && (uses_gmail || uses_smtp) {
        r.warnings.push(format!(
            "SMTP_USE_TLS is false: mails and the password cross the network to {} in the clear",
            server.host
        ));
    }
    // With both, SMTP_* are about the other server.
    let gmail_server = if uses_smtp {
        SmtpConfig {
            host: GMAIL_HOST.to_owned(),
            port: SUBMISSION_PORT,
            encryption: SmtpEncryption::StartTls,
            ..server.clone()
        }
    } else {
        server.clone()
    };
    let gmail = SmtpConfig {
        name: "gmail",
        credentials: gmail_user
            .map(|user| user.as_str().to_owned())
            .zip(gmail_password),
        ..gmail_server
    };
    let provider = |service: &Service| match service {
        Service::Gmail => MailProviderConfig::Smtp(gmail.clone()),
        Service::Smtp => MailProviderConfig::Smtp(server.clone()),
        Service::Mock => MailProviderConfig::Mock,
    };
    services.iter().map(provider).collect()
}

/// What the `SMTP_*` settings say.
fn smtp_server(r: &mut Reader, host_setting: Setting) -> SmtpConfig {
    let host = r.read(
        host_setting,
        "a host name or an IP address, without a port",
        host,
    );
    let port = r.integer(settings::SMTP_PORT, 1..=u16::MAX);
    SmtpConfig {
        name: "smtp",
        host: host.unwrap_or_default(),
        port,
        credentials: smtp_credentials(r),
        encryption: smtp_encryption(r, port),
    }
}

/// `true` goes by the port; the other words are for servers on ports of their own.
fn smtp_encryption(r: &mut Reader, port: u16) -> SmtpEncryption {
    let by_port = match port {
        IMPLICIT_TLS_PORT => SmtpEncryption::Implicit,
        _ => SmtpEncryption::StartTls,
    };
    let parse = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(by_port),
        "false" | "0" | "no" | "off" => Some(SmtpEncryption::None),
        "starttls" => Some(SmtpEncryption::StartTls),
        "implicit" => Some(SmtpEncryption::Implicit),
        _ => None,
    };
    r.read(
        settings::SMTP_USE_TLS,
        "true, false, starttls or implicit",
        parse,
    )
    .unwrap_or(by_port)
}

/// The app password without the spaces that Google shows it with.
fn gmail_password(r: &mut Reader) -> Option<SecretString> {
    let password = r.secret(settings::GMAIL_APP_PASSWORD, "an app password", |_| true)?;
    let password: String = password.expose_secret().split_whitespace().collect();
    if password.len() != 16 || !password.bytes().all(|b| b.is_ascii_alphabetic()) {
        r.warnings.push(
            "GMAIL_APP_PASSWORD cannot be an app password, which has 16 letters: Gmail will refuse \
             it (make one at https://myaccount.google.com/apppasswords)"
                .to_owned(),
        );
    }
    Some(password.into())
}

fn smtp_credentials(r: &mut Reader) -> Option<(String, SecretString)> {
    let username = r.line(settings::SMTP_USERNAME);
    let password = r.secret(settings::SMTP_PASSWORD, "a password", |_| true);
    if r.is_set(settings::SMTP_USERNAME) {
        r.require(
            settings::SMTP_PASSWORD,
            "a password, because SMTP_USERNAME is set",
        );
    }
    if r.is_set(settings::SMTP_PASSWORD) {
        r.require(
            settings::SMTP_USERNAME,
            "a name, because SMTP_PASSWORD is set",
        );
    }
    username.zip(password)
}

fn host(text: &str) -> Option<String> {
    let host = text.trim();
    let valid = host.parse::<IpAddr>().is_ok() || Host::parse(host).is_ok();
    valid.then(|| host.to_owned())
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
