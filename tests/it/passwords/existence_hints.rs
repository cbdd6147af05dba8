//! `ACCOUNT_EXISTENCE_HINTS=false`: the password mutations answer alike for known and unknown
//! addresses, and only the holder of a mailbox learns more.

use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use crate::support::accounts::{OTHER_PASSWORD, PASSWORD};
use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

const KNOWN: &str = "known@example.com";
const UNKNOWN: &str = "other@example.com";
const SETTINGS: &[(&str, &str)] = &[
    ("ACCOUNT_EXISTENCE_HINTS", "false"),
    ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1000"),
    ("MAX_LOGIN_ATTEMPTS_PER_15_MINUTES_PER_IP", "1000"),
    ("MAX_REGISTRATIONS_PER_HOUR_PER_IP", "1000"),
];

/// An answer without what differs from one request to the next in any case.
fn shape(answer: &Value, email: &str) -> String {
    let mut answer = answer.clone();
    if let Some(at) = answer.pointer_mut("/challenge/expiresAt") {
        *at = "time".into();
    }
    if let Some(seconds) = answer.pointer_mut("/errors/0/retryAfterSeconds") {
        let seconds = std::mem::replace(seconds, "soon".into());
        assert!(
            [900, 3600].contains(&seconds.as_i64().unwrap()),
            "{seconds}"
        );
    }
    answer.to_string().replace(email, "address")
}

/// What every public mutation answers for an address, each until it is limited.
async fn transcript(client: &Client, email: &str) -> Vec<String> {
    let mut answers = Vec::new();
    for _ in 0..7 {
        answers.push(client.request_password_reset(email).await);
    }
    for _ in 0..12 {
        answers.push(client.login(email, OTHER_PASSWORD).await);
    }
    answers.push(client.register(email, "password").await);
    for _ in 0..7 {
        answers.push(client.register(email, OTHER_PASSWORD).await);
    }
    answers.push(client.verify_email(email, "no code").await);
    answers.iter().map(|answer| shape(answer, email)).collect()
}

async fn start(deployment: &Deployment) -> TestApp {
    deployment.clock.freeze();
    let app = deployment.start_with(SETTINGS).await;
    app.register_verified(KNOWN, PASSWORD).await;
    app.clock.advance(chrono::Duration::hours(1));
    app
}

on_both_deployments! {
    /// Body, errors and limits are the same; both are refused where they are refused at all.
    async fn known_and_unknown_addresses_get_the_same_response(deployment: Deployment) {
        let app = start(&deployment).await.allow_unread_mail();
        let known = transcript(&app.with_ip("127.0.0.2"), KNOWN).await;
        let unknown = transcript(&app.with_ip("127.0.0.3"), UNKNOWN).await;
        assert_eq!(known, unknown);
        for code in ["RATE_LIMITED", "INVALID_CREDENTIALS", "WEAK_PASSWORD", "INVALID_CODE"] {
            assert!(known.iter().any(|answer| answer.contains(code)), "{code} in {known:#?}");
        }
        assert!(known[0].contains("a link to choose a new password"), "{}", known[0]);
        let challenges = known.iter().filter(|answer| answer.contains("codeLength"));
        assert_eq!(challenges.count(), 5);
        // The known account is as it was.
        app.clock.advance(chrono::Duration::hours(1));
        app.password_login(KNOWN, PASSWORD).await;
    }

    /// The mails tell the truth to whoever reads them.
    async fn only_the_mail_reveals_the_account(deployment: Deployment) {
        let app = start(&deployment).await;
        app.register(KNOWN, OTHER_PASSWORD).await;
        let mail = app.mail(MailKind::AccountExists, KNOWN).await;
        assert!(mail.code.is_none() && mail.link.is_none());
        app.request_password_reset(UNKNOWN).await;
        let mail = app.mail(MailKind::NoAccount, UNKNOWN).await;
        assert!(mail.code.is_none() && mail.link.is_none());
        app.reset_token(KNOWN).await;
        app.register(UNKNOWN, OTHER_PASSWORD).await;
        app.code(MailKind::VerifyEmail, UNKNOWN).await;
        // What was made for a taken address proves nothing, even to whoever guesses it.
        let guessed = deployment.derived_code("verify_email", KNOWN).await;
        let answer = app.verify_email(KNOWN, &guessed).await;
        assert_eq!(answer["errors"][0]["code"], "INVALID_CODE", "{answer}");
        app.password_login(KNOWN, PASSWORD).await;
    }
}

/// All this holds while Redis is away, too, and the mails still come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_and_unknown_addresses_look_alike_without_redis() {
    let deployment = Deployment::with_own_redis().await;
    let app = start(&deployment).await.allow_unread_mail();
    let actor = app.with_token(&app.sign_up("eve@example.com").await.access);
    deployment.redis_server().kill();
    let known = transcript(&app.with_ip("127.0.0.2"), KNOWN).await;
    let unknown = transcript(&app.with_ip("127.0.0.3"), UNKNOWN).await;
    assert_eq!(known, unknown);
    app.mail(MailKind::AccountExists, KNOWN).await;
    app.mail(MailKind::NoAccount, UNKNOWN).await;
    app.clock.advance(chrono::Duration::hours(1));
    let taken = actor.request_email_change(KNOWN).await;
    let free = actor.request_email_change("free@example.com").await;
    assert_eq!(shape(&taken, KNOWN), shape(&free, "free@example.com"));
    assert_eq!(taken["errors"], json!([]));
    app.code(MailKind::ChangeEmail, "free@example.com").await;
    app.password_login(KNOWN, PASSWORD).await;
}
