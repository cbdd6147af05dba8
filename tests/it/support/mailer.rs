//! Mails and configurations for tests of mail providers.

use std::time::Duration;

use gatelodge::testing::config::{MailConfig, MailProviderConfig, SmtpConfig, SmtpEncryption};
use gatelodge::testing::domain::clock::Clock;
use gatelodge::testing::domain::code::{CodeFormat, CodeType};
use gatelodge::testing::domain::email::EmailAddress;
use gatelodge::testing::domain::mail::{MailKind, RenderedMail};
use gatelodge::testing::domain::mailbox::Mailbox;
use gatelodge::testing::mail::Mailer;

/// The code in each mail.
pub(crate) const CODE: &str = "483920";

/// A local SMTP server without TLS or authentication.
pub(crate) fn smtp(port: u16) -> SmtpConfig {
    SmtpConfig {
        name: "smtp",
        host: "localhost".to_owned(),
        port,
        credentials: None,
        encryption: SmtpEncryption::None,
    }
}

pub(crate) fn config(
    from_name: &str,
    providers: Vec<MailProviderConfig>,
    timeout: Duration,
) -> MailConfig {
    MailConfig {
        providers,
        from_address: EmailAddress::parse("no-reply@gatelodge.example").unwrap(),
        from_name: from_name.to_owned(),
        timeout,
        max_attempts: 8,
        fallback_to_console: false,
        concurrency: 8,
    }
}

pub(crate) fn mailer(config: &MailConfig) -> Mailer {
    Mailer::new(config, &Mailbox::default(), &Clock::default()).unwrap()
}

/// A mail to `to`@example.com, always with the same ID.
pub(crate) fn mail(to: &str, text: &str, html: &str) -> RenderedMail {
    let format = CodeFormat {
        length: 6,
        code_type: CodeType::Numeric,
    };
    RenderedMail {
        id: uuid::Uuid::from_u128(7).into(),
        kind: MailKind::LoginCode,
        to: EmailAddress::parse(&format!("{to}@example.com")).unwrap(),
        subject: "Your code for Söhne".to_owned(),
        text: text.to_owned(),
        html: html.to_owned(),
        code: format.parse(CODE),
        link: None,
    }
}
