//! `gatelodge mail test|preview`: whether mail leaves the house, and what it looks like.

use std::process::Output;

use gatelodge::testing::domain::mail::MailKind;
use tempfile::TempDir;

use crate::support::deployment::Deployment;
use crate::support::free_port;
use crate::support::sendgrid::SendGrid;
use crate::support::smtp::{SmtpOptions, SmtpServer, Tls};

const ADA: &str = "ada@example.com";

/// Standard output and how it ended.
fn told(output: &Output) -> (String, Option<i32>) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (text, output.status.code())
}

/// What a command printed that must succeed.
async fn printed(deployment: &Deployment, arguments: &[&str]) -> String {
    let (text, code) = told(&deployment.mail(&[], arguments).await);
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    text
}

/// Sends a test mail with settings; what was told, and how it ended.
async fn test_mail(settings: &[(&str, &str)], address: &str) -> (String, Option<i32>) {
    let deployment = Deployment::embedded().await;
    deployment.remove_tables().await;
    let output = deployment.mail(settings, &["test", address]).await;
    let (text, code) = told(&output);
    let all = text.clone() + &String::from_utf8_lossy(&output.stderr);
    assert!(
        !all.contains("swordfish") && !all.contains("canary"),
        "{all}"
    );
    // It needs no database.
    assert!(!deployment.path().join("data").exists());
    (text, code)
}

/// A test mail goes through each provider by itself, and past the outbox.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_mail_goes_through_each_provider() {
    let server = SmtpServer::start(SmtpOptions::default());
    let http = SendGrid::start().await;
    let mut settings = http.settings(&[]);
    settings.extend(server.settings(&[("EMAIL_SERVICE", "sendgrid,smtp")]));
    let (text, code) = test_mail(&settings, ADA).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("sendgrid: ok") && text.contains("smtp: ok"),
        "{text}"
    );
    let mail = server.wait_for(1).remove(0);
    assert_eq!(mail.header("Subject"), ["Test mail from Gatelodge"]);
    assert!(mail.html.contains("test mail"));
    assert_eq!(http.mails_to(ADA).len(), 1);

    let (text, code) = test_mail(&settings, "status401@example.com").await;
    assert_eq!(code, Some(1));
    assert!(
        text.contains("sendgrid: FAILED") && text.contains("smtp: ok"),
        "{text}"
    );
    let deployment = Deployment::embedded().await;
    let output = deployment.mail(&settings, &["test", "nonsense"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(server.count(), 2);
}

/// A test mail with these settings fails, and the explanation has these words.
async fn explained(settings: &[(&str, &str)], address: &str, words: &str) {
    let (text, code) = test_mail(settings, address).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("FAILED") && text.contains(words),
        "{words}:\n{text}"
    );
}

/// A server that is not found, not there or not trusted is told in words a person can act on.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_fails_is_explained() {
    let server = |tls| {
        SmtpServer::start(SmtpOptions {
            tls,
            ..SmtpOptions::default()
        })
    };
    let (plain, upgraded, implicit) = (
        server(Tls::None),
        server(Tls::Required),
        server(Tls::Implicit),
    );
    let closed = free_port().to_string();
    let unknown = [("SMTP_HOST", "no-such-host.invalid")];
    for (settings, words) in [
        (
            plain.settings(&unknown),
            "There is no host no-such-host.invalid",
        ),
        (
            plain.settings(&[("SMTP_PORT", &closed)]),
            "Nothing listens at localhost port",
        ),
        (
            plain.settings(&[("SMTP_USE_TLS", "starttls")]),
            "does not offer STARTTLS",
        ),
        (
            plain.settings(&[("SMTP_USE_TLS", "implicit")]),
            "does not speak TLS",
        ),
        (upgraded.settings(&[]), "is not trusted"),
        (implicit.settings(&[]), "is not trusted"),
        (
            upgraded.settings(&[("SMTP_USE_TLS", "false")]),
            "takes nothing without TLS",
        ),
    ] {
        explained(&settings, ADA, words).await;
    }
}

/// So is a login that is refused, with what is peculiar to Gmail.
#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_login_is_explained() {
    let server = SmtpServer::start(SmtpOptions {
        login: Some(("ada".to_owned(), "swordfish-77".to_owned())),
        ..SmtpOptions::default()
    });
    let none = [("SMTP_USERNAME", ""), ("SMTP_PASSWORD", "")];
    let gmail = |password: &'static str| {
        let mut settings = server.settings(&none);
        settings.extend([
            ("EMAIL_SERVICE", "gmail"),
            ("GMAIL_USER", "ada@gmail.com"),
            ("GMAIL_APP_PASSWORD", password),
        ]);
        settings
    };
    for (settings, words) in [
        (
            server.settings(&[("SMTP_PASSWORD", "swordfish-78")]),
            "check SMTP_USERNAME",
        ),
        (server.settings(&none), "takes no mail without a login"),
        (
            gmail("swordfish"),
            "is not an app password, which has 16 letters",
        ),
        (gmail("abcd efgh ijkl mnop"), "Google refuses this login"),
    ] {
        explained(&settings, ADA, words).await;
    }
}

/// So is what a provider answers to the mail itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_mail_is_explained() {
    let server = SmtpServer::start(SmtpOptions::default());
    let http = SendGrid::start().await;
    let hasty = [("EMAIL_TIMEOUT_SECONDS", "1")];
    for (settings, local, words) in [
        (
            server.settings(&[]),
            "reject550",
            "does not take this recipient",
        ),
        (
            server.settings(&[]),
            "rejectdata",
            "refuses what the mail says",
        ),
        (server.settings(&[]), "defer451", "says that it cannot now"),
        (
            server.settings(&[]),
            "close",
            "ended the connection in the middle",
        ),
        (
            server.settings(&hasty),
            "silent",
            "EMAIL_TIMEOUT_SECONDS (1)",
        ),
        (
            http.settings(&[]),
            "status401",
            "SendGrid does not know the key",
        ),
        (http.settings(&[]), "status403", "verify this sender"),
        (http.settings(&[]), "status500", "says that it cannot now"),
    ] {
        explained(&settings, &format!("{local}@example.com"), words).await;
    }
}

/// Every kind of mail can be looked at without a database, as the templates in force make it.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_mail_can_be_previewed() {
    let deployment = Deployment::embedded().await;
    deployment.remove_tables().await;
    for kind in MailKind::all() {
        let text = printed(&deployment, &["preview", kind.name()]).await;
        assert!(
            text.starts_with("Subject: ") && text.contains("\n\n"),
            "{text}"
        );
        let html = printed(&deployment, &["preview", kind.name(), "--html"]).await;
        assert!(html.to_lowercase().starts_with("<!doctype html"), "{html}");
        let plain = printed(&deployment, &["preview", kind.name(), "--text"]).await;
        assert!(text.ends_with(&plain) && !plain.contains('<'), "{plain}");
    }
    assert!(!deployment.path().join("data").exists());
    let invitation = printed(&deployment, &["preview", "team_invitation"]).await;
    assert!(
        invitation.contains("Analytical Engines") && invitation.contains("7 days"),
        "{invitation}"
    );

    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("templates/login_code");
    std::fs::create_dir_all(&folder).unwrap();
    let preview = ["preview", "login_code"];
    let settings = [("USE_TEMPLATE_FILES", "true")];
    std::fs::write(folder.join("body.txt"), "Ahoy {name}, {code}").unwrap();
    let (text, code) = told(
        &deployment
            .mail_in(directory.path(), &settings, &preview)
            .await,
    );
    assert!(
        code == Some(0) && text.contains("\n\nAhoy Ada Lovelace, "),
        "{text}"
    );
    std::fs::write(folder.join("body.txt"), "Ahoy {{ nonsense }}").unwrap();
    let broken = deployment
        .mail_in(directory.path(), &settings, &preview)
        .await;
    assert_eq!(broken.status.code(), Some(1));
    let error = String::from_utf8(broken.stderr).unwrap();
    assert!(
        error.contains("body.txt:1") && error.contains("nonsense"),
        "{error}"
    );
}

/// A slip of the pen is told with what there is, and settings that cannot be used by their code.
#[tokio::test(flavor = "multi_thread")]
async fn usage_errors_are_reported() {
    let deployment = Deployment::embedded().await;
    for command in ["list", "show", "retry", "test", "preview"] {
        let help = printed(&deployment, &[command, "--help"]).await;
        assert!(
            help.contains(&format!("Usage: gatelodge mail {command}")),
            "{help}"
        );
    }
    for (arguments, words) in [
        (&["preview", "nonsense"][..], "team_invitation"),
        (&["list", "--state", "lost"], "cancelled"),
        (&["retry"], "--dead"),
        (&["retry", "x", "--dead"], "cannot be used with"),
        (
            &["preview", "login_code", "--html", "--text"],
            "cannot be used with",
        ),
    ] {
        let output = deployment.mail(&[], arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(words), "{error}");
    }
    let output = deployment
        .mail(&[("EMAIL_SERVICE", "pigeon")], &["test", ADA])
        .await;
    assert_eq!(output.status.code(), Some(78));
}
