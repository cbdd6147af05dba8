//! Mail by SendGrid's HTTP API: what is asked of it, what its answers mean, and failing over.

use std::time::Duration;

use gatelodge::testing::config::{MailProviderConfig, SendGridConfig};
use gatelodge::testing::domain::mail::{DeliveryError, DeliveryErrorKind, RenderedMail};
use gatelodge::testing::mail::Mailer;
use serde_json::json;

use crate::support::deployment::Deployment;
use crate::support::mailer::{self, CODE, smtp};
use crate::support::outbox::Outbox;
use crate::support::sendgrid::{KEY, SendGrid};
use crate::support::smtp::{SmtpOptions, SmtpServer};
use crate::support::{free_port, on_both_deployments};

const ADA: &str = "ada@example.com";

fn sendgrid(base_url: &str) -> MailProviderConfig {
    MailProviderConfig::SendGrid(SendGridConfig {
        api_key: KEY.to_owned().into(),
        base_url: base_url.to_owned(),
    })
}

fn mailer(providers: Vec<MailProviderConfig>) -> Mailer {
    let from_name = "Ship & Söhne\r\nBcc: eve@example.com";
    mailer::mailer(&mailer::config(
        from_name,
        providers,
        Duration::from_secs(2),
    ))
}

fn mail(to: &str) -> RenderedMail {
    let text = format!("Grüße, 日本\nyour code: {CODE}\n");
    mailer::mail(to, &text, &format!("<p>Grüße</p><b>{CODE}</b>"))
}

async fn refusal(mailer: &Mailer, to: &str) -> DeliveryError {
    let error = mailer.send(&mail(to)).await.unwrap_err();
    for secret in [CODE, KEY, "canary"] {
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
    error
}

/// One request a mail: text and HTML, the headers that SMTP sends too, and nothing tracked.
#[tokio::test]
async fn the_sendgrid_request_is_as_documented() {
    let server = SendGrid::start().await;
    let mailer = mailer(vec![sendgrid(&server.url)]);
    let sent = mailer.send(&mail("ada")).await.unwrap();
    assert_eq!((sent.provider, sent.refusals), ("sendgrid", None));
    let request = server.mails_to(ADA).remove(0);
    assert_eq!(request.line, "POST /v3/mail/send HTTP/1.1");
    assert_eq!(
        request.header("authorization"),
        Some(&*format!("Bearer {KEY}"))
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    let message_id = "<00000000-0000-0000-0000-000000000007@gatelodge.example>";
    let off = json!({ "enable": false });
    let expected = json!({
        "personalizations": [{ "to": [{ "email": ADA }] }],
        "from": {
            "email": "no-reply@gatelodge.example",
            "name": "Ship & Söhne Bcc: eve@example.com",
        },
        "subject": "Your code for Söhne",
        "content": [
            { "type": "text/plain", "value": mail("ada").text },
            { "type": "text/html", "value": mail("ada").html },
        ],
        "headers": {
            "Message-ID": message_id,
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
        "custom_args": { "message_id": message_id },
        "tracking_settings": {
            "click_tracking": { "enable": false, "enable_text": false },
            "open_tracking": off,
            "subscription_tracking": off,
            "ganalytics": off,
        },
    });
    assert_eq!(request.body, expected);
    assert!(!format!("{mailer:?}").contains("canary"));
}

/// Each kind of answer is permanent or not, and is told without the key and the code that it
/// quotes.
#[tokio::test]
async fn sendgrid_responses_are_classified() {
    let server = SendGrid::start().await;
    let mailer = mailer(vec![sendgrid(&server.url)]);
    for (to, permanent, kind, words) in [
        (
            "status400",
            true,
            DeliveryErrorKind::ContentRefused,
            "400 from.email: not so: Bearer ***",
        ),
        (
            "status401",
            true,
            DeliveryErrorKind::KeyRefused,
            "401 key refused: from.email: ",
        ),
        (
            "status403",
            true,
            DeliveryErrorKind::Forbidden,
            "403 key refused: ",
        ),
        ("status413", true, DeliveryErrorKind::ContentRefused, "413 "),
        ("status429", false, DeliveryErrorKind::Unavailable, "429 "),
        ("status500", false, DeliveryErrorKind::Unavailable, "500 "),
        ("status503", false, DeliveryErrorKind::Unavailable, "503 "),
        ("status200", false, DeliveryErrorKind::Other, "200 "),
        ("status302", false, DeliveryErrorKind::Other, "302 "),
        (
            "silent",
            false,
            DeliveryErrorKind::Timeout,
            "no answer within 2 s",
        ),
        ("close", false, DeliveryErrorKind::ConnectionClosed, ""),
    ] {
        let error = refusal(&mailer, to).await;
        assert_eq!(
            (error.permanent, error.kind),
            (permanent, kind),
            "{error:?}"
        );
        assert!(
            error.message.starts_with(&format!("sendgrid: {words}")),
            "{error:?}"
        );
        // A refusal is no reason not to take the next mail.
        mailer.send(&mail("ada")).await.unwrap();
    }
    assert_eq!(server.mails_to(ADA).len(), 11);
    let closed = mailer_at(free_port());
    let error = refusal(&closed, "ada").await;
    assert_eq!(
        (error.permanent, error.kind),
        (false, DeliveryErrorKind::ConnectionRefused)
    );
}

fn mailer_at(port: u16) -> Mailer {
    mailer(vec![sendgrid(&format!("http://127.0.0.1:{port}"))])
}

/// A connection that SendGrid closed while it was idle is no failure.
#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let server = SendGrid::start().await;
    let mailer = mailer(vec![sendgrid(&server.url)]);
    for _ in 0..3 {
        mailer.send(&mail("hangup")).await.unwrap();
    }
    assert_eq!(server.mails_to("hangup@example.com").len(), 3);
}

/// The next provider is asked within the same attempt, and what the first said is kept.
#[tokio::test]
async fn mail_that_sendgrid_rejects_goes_to_the_next_provider() {
    let http = SendGrid::start().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let both = mailer(vec![
        sendgrid(&http.url),
        MailProviderConfig::Smtp(smtp(server.port())),
    ]);
    for to in ["status401", "status500"] {
        let sent = both.send(&mail(to)).await.unwrap();
        assert_eq!(sent.provider, "smtp");
        let refusals = sent.refusals.unwrap();
        assert!(refusals.starts_with("sendgrid: "), "{refusals}");
        assert!(
            !refusals.contains(CODE) && !refusals.contains("canary"),
            "{refusals}"
        );
    }
    let sent = both.send(&mail("ada")).await.unwrap();
    assert_eq!((sent.provider, sent.refusals), ("sendgrid", None));
    let mails = server.wait_for(2);
    let asked = http.requests();
    assert_eq!(asked[0].body["headers"]["Message-ID"], *mails[0].message_id);
}

/// A wait that is asked for holds if every provider that may take the mail later asks for one.
#[tokio::test]
async fn retry_after_is_returned() {
    let http = SendGrid::start().await;
    let only = mailer(vec![sendgrid(&http.url)]);
    let minute = Some(Duration::from_mins(1));
    assert_eq!(refusal(&only, "once429").await.retry_after, minute);
    let wait = refusal(&only, "reset429").await.retry_after.unwrap();
    assert!((1..=60).contains(&wait.as_secs()), "{wait:?}");
    assert_eq!(refusal(&only, "status429").await.retry_after, None);
    let both = mailer(vec![
        sendgrid(&http.url),
        MailProviderConfig::Smtp(smtp(free_port())),
    ]);
    assert_eq!(refusal(&both, "reset429").await.retry_after, None);
}

on_both_deployments! {
    /// What is asked for over GraphQL arrives by SendGrid, and the code in it signs up.
    async fn a_code_arrives_by_sendgrid_and_works(deployment: Deployment) {
        let server = SendGrid::start().await;
        let app = deployment.start_with(&server.settings(&[])).await;
        app.request_signup_code(ADA, "Ada").await;
        let code = server.mail_to(ADA).await.code();
        let verified = app.verify_signup_code(ADA, &code).await;
        assert_eq!(verified["session"]["user"]["email"], ADA, "{verified}");
    }

    /// SendGrid is not asked again before the time it named, and a key it refuses ends the mail.
    async fn requested_delays_are_respected(deployment: Deployment) {
        let server = SendGrid::start().await;
        let app = deployment.start_with(&server.settings(&[])).await;
        let outbox = Outbox::of(&deployment).await;
        let address = "once429@example.com";
        app.request_signup_code(address, "Ada").await;
        outbox.wait_for_failures(address, 1).await;
        // Longer than the usual wait after a first failure; a sweep that finds another mail leaves
        // this one.
        app.clock.advance(chrono::Duration::seconds(45));
        app.request_signup_code(ADA, "Ada").await;
        outbox.wait_for_state(ADA, "sent").await;
        assert_eq!(outbox.rows(address).await[0].attempts, 1);
        app.clock.advance(chrono::Duration::seconds(16));
        outbox.wait_for_state(address, "sent").await;

        let refused = "status401@example.com";
        app.request_signup_code(refused, "Ada").await;
        let dead = outbox.wait_for_state(refused, "dead").await;
        let error = dead.last_error.unwrap();
        assert!(error.contains("key refused") && !error.contains("canary"), "{error}");
        assert_eq!(dead.attempts, 1);
    }
}
