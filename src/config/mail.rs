//! How mail is sent: from the `EMAIL_*`, `GMAIL_*`, `SENDGRID_*` and `SMTP_*` settings to a list of providers.

use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::load::{comma_list, flag};
use super::reader::Reader;
use super::settings::{self, Setting};
use super::{
    AppConfig, Environment, MailConfig, MailProviderConfig, SendGridConfig, SmtpConfig,
    SmtpEncryption,
};
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
    SendGrid,
    Smtp,
    Mock,
}

/// Services whose sender nobody can guess, and their names.
const WITHOUT_SENDER: [(Service, &str); 2] =
    [(Service::SendGrid, "sendgrid"), (Service::Smtp, "smtp")];

pub(super) fn read(r: &mut Reader, app: &AppConfig) -> MailConfig {
    let development = app.environment == Environment::Development;
    let services = services(r);
    let gmail_user = r.email(settings::GMAIL_USER);
    let providers = providers(r, &services, gmail_user.as_ref());

    let needs_sender = WITHOUT_SENDER
        .iter()
        .find(|(service, _)| services.contains(service));
    let sender = match &gmail_user {
        Some(user) => settings::EMAIL_FROM_ADDRESS.or(user.as_str()),
        None if needs_sender.is_none() => settings::EMAIL_FROM_ADDRESS.or(MOCK_SENDER),
        None => settings::EMAIL_FROM_ADDRESS,
    };
    let from_address = r.email(sender);
    if let Some((_, name)) = needs_sender
        && !r.is_set(settings::GMAIL_USER)
    {
        let accepted = format!("an e-mail address, because EMAIL_SERVICE has {name}");
        r.require(settings::EMAIL_FROM_ADDRESS, &accepted);
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
                "sendgrid" => Service::SendGrid,
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
        "gmail, sendgrid, smtp or mock, or a comma list of them, each once",
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

    if services.contains(&Service::SendGrid) {
        r.require(
            settings::SENDGRID_API_KEY,
            "an API key, because EMAIL_SERVICE has sendgrid",
        );
    }

    let sendgrid = sendgrid(r);
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
        Service::SendGrid => MailProviderConfig::SendGrid(sendgrid.clone()),
        Service::Smtp => MailProviderConfig::Smtp(server.clone()),
        Service::Mock => MailProviderConfig::Mock,
    };
    services.iter().map(provider).collect()
}

/// What the `SENDGRID_*` settings say.
fn sendgrid(r: &mut Reader) -> SendGridConfig {
    let is_key =
        |key: &str| !key.trim().is_empty() && key.trim().bytes().all(|b| b.is_ascii_graphic());
    let api_key = r.secret(
        settings::SENDGRID_API_KEY,
        "an API key, which has no spaces",
        is_key,
    );
    let api_key = api_key.unwrap_or_default();
    let trimmed = api_key.expose_secret().trim();
    if !trimmed.is_empty() && !trimmed.starts_with("SG.") {
        r.warnings
            .push("SENDGRID_API_KEY cannot be a key of SendGrid, which begins with SG.".to_owned());
    }
    let base_url = r.read(
        settings::SENDGRID_BASE_URL,
        "an https:// URL without user, path, query or fragment (http:// for this machine only)",
        base_url,
    );
    SendGridConfig {
        api_key: trimmed.into(),
        base_url: base_url.unwrap_or_default(),
    }
}

/// A URL that the key may be sent to.
fn base_url(text: &str) -> Option<String> {
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
    if !is_app_password(&password) {
        r.warnings.push(
            "GMAIL_APP_PASSWORD cannot be an app password, which has 16 letters: Gmail will refuse \
             it (make one at https://myaccount.google.com/apppasswords)"
                .to_owned(),
        );
    }
    Some(password.into())
}

/// Whether it looks like what Google hands out: 16 letters.
pub(super) fn is_app_password(password: &str) -> bool {
    password.len() == 16 && password.bytes().all(|b| b.is_ascii_alphabetic())
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
