//! A mail on its way from a request to a mail server.

use gatelodge::testing::domain::mail::MailKind;
use serde_json::json;

use crate::support::client::error_codes;
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::smtp::{ReceivedMail, SmtpOptions, SmtpServer, Tls};

const ADA: &str = "ada@example.com";

fn names(mail: &ReceivedMail) -> Vec<&str> {
    mail.headers.iter().map(|(name, _)| name.as_str()).collect()
}

on_both_deployments! {
    /// What is asked for over HTTP arrives at a mail server, in text and HTML, and the code in it
    /// signs up and logs in.
    async fn a_code_arrives_by_smtp_and_works(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let app = deployment.start_with(&server.settings(&[("APP_NAME", "Harbour")])).await;
        app.request_signup_code(ADA, "Ada").await;
        let mail = server.mail_to(ADA).await;
        let code = mail.code();
        assert_eq!(mail.from, "no-reply@gatelodge.example");
        assert_eq!(mail.header("To"), [ADA]);
        assert_eq!(mail.header("From"), ["Harbour <no-reply@gatelodge.example>"]);
        assert_eq!(mail.header("Subject"), ["Your sign-up code for Harbour"]);
        assert_eq!(mail.header("Auto-Submitted"), ["auto-generated"]);
        assert!(mail.text.contains("Welcome to Harbour, Ada!"), "{}", mail.text);
        assert!(mail.text.contains("expires in 15 minutes"), "{}", mail.text);
        assert!(mail.html.contains(&code) && mail.html.contains("Welcome to Harbour, Ada"));
        let verified = app.verify_signup_code(ADA, &code).await;
        assert_eq!(verified["session"]["user"]["email"], ADA, "{verified}");

        app.request_login_code(ADA).await;
        let mail = server.wait_for(2).remove(1);
        assert_eq!(mail.header("Subject"), ["Your sign-in code for Harbour"]);
        let verified = app.verify_login_code(ADA, &mail.code()).await;
        assert_eq!(verified["session"]["user"]["email"], ADA, "{verified}");
        assert_eq!(server.mails().len(), 2);
    }

    /// A name is text and nothing else: no markup, no template, no header.
    async fn names_are_escaped(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let app = deployment.start_with(&server.settings(&[])).await;
        let plain = {
            app.request_signup_code("plain@example.com", "Ada").await;
            server.mail_to("plain@example.com").await
        };
        for (number, (typed, text, html)) in [
            ("<a href=x>Ada</a>", "<a href=x>Ada</a>", "&lt;a href=x&gt;Ada&lt;&#x2f;a&gt;"),
            ("{{7*7}}{{ code }}", "{{7*7}}{{ code }}", "{{7*7}}{{ code }}"),
            ("{code} {email}{% raw %}", "{code} {email}{% raw %}", "{code} {email}{% raw %}"),
            (
                "Eve\r\nBcc: eve@example.com\r\n\r\nbody",
                "Eve Bcc: eve@example.com body",
                "Eve Bcc: eve@example.com body",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let address = format!("name{number}@example.com");
            let requested = app.request_signup_code(&address, typed).await;
            assert_eq!(requested["errors"], json!([]), "{typed}");
            let mail = server.mail_to(&address).await;
            let welcome = format!("Welcome to Gatelodge, {text}!\n");
            assert!(mail.text.starts_with(&welcome), "{}", mail.text);
            let heading = format!("Welcome to Gatelodge, {html}<");
            assert!(mail.html.contains(&heading), "{}", mail.html);
            assert_eq!(mail.to, [address]);
            assert_eq!(names(&mail), names(&plain));
        }
    }

    /// With `ACCOUNT_EXISTENCE_HINTS` off the truth about an address goes to the address.
    async fn without_hints_only_the_mail_reveals_the_account(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let settings = server.settings(&[("ACCOUNT_EXISTENCE_HINTS", "false")]);
        let app = deployment.start_with(&settings).await;
        app.request_signup_code(ADA, "Ada").await;
        app.verify_signup_code(ADA, &server.mail_to(ADA).await.code()).await;
        let taken = app.request_signup_code(ADA, "Eve").await;
        let unknown = app.request_login_code("nobody@example.com").await;
        for answer in [&taken, &unknown] {
            assert_eq!(error_codes(answer), [""; 0], "{answer}");
        }
        server.wait_for(3);
        let told = server.mail_to(ADA).await;
        assert!(told.text.contains("already"), "{}", told.text);
        let told = server.mail_to("nobody@example.com").await;
        assert!(told.text.contains("no account"), "{}", told.text);
    }
}

/// With both kinds of TLS, a server is trusted by an authority in `SSL_CERT_FILE`, and gets login
/// and mail.
#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_server_gets_login_and_mail() {
    for tls in [Tls::Required, Tls::Implicit] {
        let server = SmtpServer::start(SmtpOptions {
            tls,
            login: Some(("ada".to_owned(), "swordfish-77".to_owned())),
            ..SmtpOptions::default()
        });
        let ca = server.ca().unwrap().to_str().unwrap();
        let deployment = Deployment::embedded().await;
        let process = deployment
            .spawn(&[], &server.settings(&[("SSL_CERT_FILE", ca)]))
            .await;
        process.request_signup_code(ADA, "Ada").await;
        let mail = server.mail_to(ADA).await;
        assert!(mail.tls && mail.user.as_deref() == Some("ada"), "{mail:?}");
        let verified = process.verify_signup_code(ADA, &mail.code()).await;
        assert_eq!(verified["session"]["user"]["email"], ADA, "{verified}");
        assert!(!process.output().contains("swordfish"));
    }
}

/// A server that no authority vouches for gets neither login nor mail, and the mail waits.
#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_server_gets_neither_login_nor_mail() {
    for tls in [Tls::Required, Tls::Implicit] {
        let server = SmtpServer::start(SmtpOptions {
            tls,
            ..SmtpOptions::default()
        });
        let deployment = Deployment::embedded().await;
        let process = deployment.spawn(&[], &server.settings(&[])).await;
        process.request_signup_code(ADA, "Ada").await;
        process.wait_for("email_send_failed").await;
        assert!(process.output().contains("certificate"));
        assert_eq!(server.mails().len(), 0);
    }
}

/// The mock provider takes the kinds of mail that a failing server leaves it.
#[tokio::test(flavor = "multi_thread")]
async fn mail_fails_over_to_the_next_provider() {
    let mut server = SmtpServer::start(SmtpOptions::default());
    server.stop();
    let deployment = Deployment::embedded().await;
    let settings = server.settings(&[("EMAIL_SERVICE", "smtp,mock")]);
    let app = deployment.start_with(&settings).await;
    app.request_signup_code(ADA, "Ada").await;
    app.mail(MailKind::SignupCode, ADA).await;
}
