//! Mail reaches a real SMTP server, and its refusals are understood.

use std::time::Duration;

use gatelodge::testing::config::{MailConfig, MailProviderConfig, SmtpConfig, SmtpEncryption};
use gatelodge::testing::domain::clock::Clock;
use gatelodge::testing::domain::mail::{DeliveryError, Link, RenderedMail};
use gatelodge::testing::domain::mailbox::Mailbox;
use gatelodge::testing::mail::Mailer;

use crate::support::mailer::{self, CODE, smtp};
use crate::support::smtp::{SmtpOptions, SmtpServer, Tls};

const TOKEN: &str = "AZM2o8q1cd-81_hGfQxVY2Jt0a9LrkQm";
const PASSWORD: &str = "swordfish-77";

fn with_login(config: SmtpConfig, password: &str) -> SmtpConfig {
    SmtpConfig {
        credentials: Some(("ada".to_owned(), password.to_owned().into())),
        ..config
    }
}

fn config(providers: Vec<MailProviderConfig>, timeout: Duration) -> MailConfig {
    mailer::config("Ship, Shore & Söhne <x>", providers, timeout)
}

fn mailer(smtp: SmtpConfig) -> Mailer {
    mailer_within(smtp, Duration::from_secs(20))
}

fn mailer_within(smtp: SmtpConfig, timeout: Duration) -> Mailer {
    mailer::mailer(&config(vec![MailProviderConfig::Smtp(smtp)], timeout))
}

fn link() -> String {
    format!("https://app.example.com/reset?token={TOKEN}")
}

fn mail(to: &str) -> RenderedMail {
    let text = format!("Grüße, 日本\n.\nyour code: {CODE}\nyour link: {}\n", link());
    let html = format!("<p>Grüße</p>\n.\n<b>{CODE}</b>");
    RenderedMail {
        link: Some(Link::new(link())),
        ..mailer::mail(to, &text, &html)
    }
}

async fn refusal(mailer: &Mailer, to: &str) -> DeliveryError {
    let error = mailer.send(&mail(to)).await.unwrap_err();
    for secret in [CODE, TOKEN, PASSWORD] {
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
    error
}

/// The whole mail arrives as written, with the headers that were promised.
#[tokio::test]
async fn a_mail_arrives_complete() {
    let server = SmtpServer::start(SmtpOptions::default());
    let sent = mailer(smtp(server.port())).send(&mail("ada")).await;
    assert_eq!(sent.unwrap().provider, "smtp");
    let received = server.wait_for(1).remove(0);
    assert_eq!(received.from, "no-reply@gatelodge.example");
    assert_eq!(received.to, ["ada@example.com"]);
    assert_eq!(received.text.trim_end(), mail("ada").text.trim_end());
    assert_eq!(received.html.trim_end(), mail("ada").html);
    assert_eq!(
        received.message_id,
        "<00000000-0000-0000-0000-000000000007@gatelodge.example>"
    );
    for (name, value) in [
        ("To", "ada@example.com"),
        ("Subject", "Your code for Söhne"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
    ] {
        assert_eq!(received.header(name), [value]);
    }
    let from = received.header("From");
    assert!(from[0].contains("Ship, Shore & Söhne <x>"), "{from:?}");
    assert!(
        from[0].ends_with("<no-reply@gatelodge.example>"),
        "{from:?}"
    );
    assert_eq!(received.header("Date").len(), 1);
    assert!(received.header("Content-Type")[0].starts_with("multipart/alternative"));
    assert!(received.raw.is_ascii());
}

/// No value can end its header line and begin another.
#[tokio::test]
async fn line_breaks_add_no_header() {
    let server = SmtpServer::start(SmtpOptions::default());
    let mut config = config(
        vec![MailProviderConfig::Smtp(smtp(server.port()))],
        Duration::from_secs(20),
    );
    config.from_name = "Eve\r\nBcc: a@example.com".to_owned();
    let mailer = mailer::mailer(&config);
    let mut mail = mail("ada");
    mail.subject = "Hi\r\nBcc: b@example.com\r\n\r\nbody".to_owned();
    mailer.send(&mail).await.unwrap();
    let received = server.wait_for(1).remove(0);
    assert_eq!(received.to, ["ada@example.com"]);
    assert!(received.header("Bcc").is_empty(), "{}", received.raw);
    assert_eq!(received.text.trim_end(), mail.text.trim_end());
}

/// Mails that follow each other share a connection, and one that the server closed meanwhile is
/// replaced without a failure.
#[tokio::test]
async fn connections_are_reused_and_replaced() {
    let mut server = SmtpServer::start(SmtpOptions::default());
    let mailer = mailer(smtp(server.port()));
    for _ in 0..2 {
        mailer.send(&mail("ada")).await.unwrap();
    }
    let connections: Vec<u32> = server.wait_for(2).iter().map(|m| m.connection).collect();
    assert_eq!(connections, [1, 1]);
    server.stop();
    let error = refusal(&mailer, "ada").await;
    assert!(!error.permanent, "{error:?}");
    server.restart();
    mailer.send(&mail("ada")).await.unwrap();
    server.wait_for(3);
    server.stop();
    server.restart();
    mailer.send(&mail("ada")).await.unwrap();
    server.wait_for(4);
}

#[tokio::test]
async fn smtp_responses_are_classified() {
    let server = SmtpServer::start(SmtpOptions::default());
    let mailer = mailer(smtp(server.port()));
    for (to, permanent, words) in [
        ("reject550", true, "550): 5.1.1 no such mailbox"),
        ("rejectdata", true, "your code: ***"),
        ("defer451", false, "451): 4.3.0 try again later"),
        ("close", false, "smtp: "),
        ("ädä", true, "ASCII addresses only"),
    ] {
        let error = refusal(&mailer, to).await;
        assert_eq!(error.permanent, permanent, "{error:?}");
        assert!(error.message.contains(words), "{error:?}");
        assert_eq!(error.provider, "smtp");
        // A refusal is no reason not to take the next mail.
        mailer.send(&mail("ada")).await.unwrap();
    }
    assert_eq!(server.wait_for(5).len(), 5);
}

#[tokio::test]
async fn non_ascii_addresses_are_sent_to_smtputf8_servers() {
    let server = SmtpServer::start(SmtpOptions {
        smtputf8: true,
        ..SmtpOptions::default()
    });
    mailer(smtp(server.port()))
        .send(&mail("ädä"))
        .await
        .unwrap();
    assert_eq!(server.wait_for(1)[0].to, ["ädä@example.com"]);
}

#[tokio::test]
async fn a_wrong_password_is_a_transient_failure() {
    let server = SmtpServer::start(SmtpOptions {
        login: Some(("ada".to_owned(), PASSWORD.to_owned())),
        ..SmtpOptions::default()
    });
    let right = with_login(smtp(server.port()), PASSWORD);
    mailer(right).send(&mail("ada")).await.unwrap();
    assert_eq!(server.wait_for(1)[0].user.as_deref(), Some("ada"));
    for config in [
        with_login(smtp(server.port()), "wrong"),
        smtp(server.port()),
    ] {
        let error = refusal(&mailer(config), "ada").await;
        assert!(!error.permanent, "{error:?}");
        assert!(error.message.contains("53"), "{error:?}");
    }
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let server = SmtpServer::start(SmtpOptions::default());
    let mailer = mailer_within(smtp(server.port()), Duration::from_millis(500));
    let error = refusal(&mailer, "silent").await;
    assert!(!error.permanent);
    assert_eq!(error.message, "smtp: no answer within 0.5 s");
}

/// An answer that comes after its mail was given up is not taken for that of the next mail.
#[tokio::test]
async fn a_late_response_is_not_taken_for_another_mail() {
    let server = SmtpServer::start(SmtpOptions {
        late: Duration::from_secs(3),
        ..SmtpOptions::default()
    });
    let mailer = mailer_within(smtp(server.port()), Duration::from_secs(2));
    mailer.send(&mail("ada")).await.unwrap();
    assert!(!refusal(&mailer, "late").await.permanent);
    assert!(refusal(&mailer, "rejectdata").await.permanent);
    mailer.send(&mail("ada")).await.unwrap();
    let connections: Vec<u32> = server.wait_for(2).iter().map(|m| m.connection).collect();
    assert!(connections[0] < *connections.last().unwrap());
}

/// Providers are tried in their order; a failure is permanent only if all of them say so.
#[tokio::test]
async fn the_next_provider_is_tried() {
    let mut first = SmtpServer::start(SmtpOptions::default());
    let second = SmtpServer::start(SmtpOptions::default());
    let providers = [("gmail", first.port()), ("smtp", second.port())];
    let config = config(
        providers
            .map(|(name, port)| MailProviderConfig::Smtp(SmtpConfig { name, ..smtp(port) }))
            .to_vec(),
        Duration::from_secs(20),
    );
    let mailer = mailer::mailer(&config);
    assert_eq!(mailer.send(&mail("ada")).await.unwrap().provider, "gmail");
    let error = refusal(&mailer, "reject550").await;
    assert!(error.permanent && error.provider == "smtp", "{error:?}");
    assert!(error.message.contains("gmail: ") && error.message.contains("; smtp: "));
    first.stop();
    assert_eq!(mailer.send(&mail("ada")).await.unwrap().provider, "smtp");
    assert!(!refusal(&mailer, "reject550").await.permanent);
    assert_eq!((first.wait_for(1).len(), second.wait_for(1).len()), (1, 1));
}

/// What the mock takes is kept, and it can stand behind a server that fails.
#[tokio::test]
async fn the_mock_stores_its_mails() {
    let mut server = SmtpServer::start(SmtpOptions::default());
    server.stop();
    let providers = vec![
        MailProviderConfig::Smtp(smtp(server.port())),
        MailProviderConfig::Mock,
    ];
    let mailbox = Mailbox::default();
    let config = config(providers, Duration::from_secs(20));
    let mailer = Mailer::new(&config, &mailbox, &Clock::default()).unwrap();
    assert_eq!(mailer.send(&mail("ada")).await.unwrap().provider, "mock");
    assert!(mailbox.find(mail("ada").id).is_some());
}

#[tokio::test]
async fn an_untrusted_server_gets_nothing() {
    for (tls, encryption) in [
        (Tls::Required, SmtpEncryption::StartTls),
        (Tls::Implicit, SmtpEncryption::Implicit),
        (Tls::None, SmtpEncryption::StartTls),
    ] {
        let server = SmtpServer::start(SmtpOptions {
            tls,
            ..SmtpOptions::default()
        });
        let config = SmtpConfig {
            encryption,
            ..with_login(smtp(server.port()), PASSWORD)
        };
        let error = refusal(&mailer(config), "ada").await;
        assert!(!error.permanent, "{error:?}");
        assert!(server.mails().is_empty());
    }
}
