//! Passwords, mailed links and everything else that `privacy` does not go through: none of it is
//! kept or logged, and nothing that a person types can pass for a line of the log.

use std::fmt::{Debug, Display};

use gatelodge::testing::crypto::Keys;
use gatelodge::testing::domain::code::Code;
use gatelodge::testing::domain::email::EmailAddress;
use gatelodge::testing::domain::mail::{Link, RenderedMail};
use gatelodge::testing::domain::password::Password;
use gatelodge::testing::domain::session::SignedIn;
use serde::Serialize;
use serde_json::json;

use super::privacy::{Secrets, kept, read};
use crate::support::client::{Client, Tokens};
use crate::support::deployment::Deployment;
use crate::support::smtp::{ReceivedMail, SmtpOptions, SmtpServer};
use crate::support::{free_port, on_both_deployments};

const ADA: &str = "ada@example.com";
const NEW_ADA: &str = "countess@example.com";
const GRACE: &str = "grace@example.com";
/// Every password that is typed, right or wrong.
const PASSWORDS: [&str; 5] = [
    "canary violet kettle 43",
    "canary seven stairs 71",
    "canary copper lantern 9",
    "canary wrong at login",
    "canary wrong at change",
];
/// What passes for a line of the log in either format, if it gets through.
const FORGED: &str = "x\r\n2024-01-15 10:30:45 [INFO] user_login_success - forged\u{1b}[2K";
const FORGED_AGENT: &str = r#"x","event":"forged"} {"event":"forged"#;

on_both_deployments! {
    /// By password, by link, by invitation: no password, code or token is in a log of either
    /// format, in the database or in Redis. Redis is not even told an address.
    async fn passwords_and_links_are_never_stored_or_logged(deployment: Deployment) {
        let format = if deployment.redis.is_some() { "json" } else { "text" };
        let server = SmtpServer::start(SmtpOptions::default());
        let deployment = deployment.on_own_redis().await;
        let monitor = match &deployment.redis {
            Some(_) => Some(deployment.redis_server().monitor().await),
            None => None,
        };
        let metrics_port = free_port().to_string();
        let talkative = [
            ("LOG_LEVEL", "DEBUG"),
            ("LOG_FORMAT", format),
            ("LOG_TO_FILE", "true"),
            ("ENABLE_SECURITY_LOG", "true"),
            ("CODE_TYPE", "alphanumeric"),
            ("CODE_LENGTH", "8"),
            ("METRICS_PORT", &*metrics_port),
        ];
        let mut process = deployment.spawn(&[], &server.settings(&talkative)).await;
        let mut secrets = Secrets::default();
        for password in PASSWORDS {
            secrets.add(password);
        }

        let tokens = by_password(&process, &server, &mut secrets).await;
        let ada = process.with_token(&tokens.access);
        by_invitation(&process, &ada, &server, &mut secrets).await;
        let during = kept(&deployment).await;
        assert!(during.contains(NEW_ADA) && during.contains(GRACE));
        secrets.assert_absent("the database or Redis during the run", &during);
        ada.delete_me(NEW_ADA).await;
        let metrics = reqwest::get(format!("http://127.0.0.1:{metrics_port}/metrics"));
        let metrics = metrics.await.unwrap().text().await.unwrap();
        assert!(metrics.contains("gatelodge") && !metrics.contains("example.com"), "{metrics}");
        secrets.assert_absent("the metrics", &metrics);
        assert_eq!(process.terminate().await.code(), Some(0));
        secrets.assert_absent("the database or Redis after the end", &kept(&deployment).await);

        if let Some(monitor) = monitor {
            let told = monitor.commands();
            assert!(told.contains("gatelodge:mail") && told.contains("gatelodge:limit:"), "{told}");
            assert!(!told.contains("example.com"), "{told}");
            secrets.assert_absent("what Redis was told", &told);
        }
        secrets.assert_absent("standard output", &process.output());
        let logs = process.directory.path().join("logs");
        for (name, contains) in [("app.log", "team_created"), ("security.log", "password_reset")] {
            let log = read(&logs.join(name));
            assert!(log.contains(contains), "{log}");
            secrets.assert_absent(name, &log);
            assert_nothing_forged(&log);
        }
    }
}

/// A name that is not refused for its control characters.
fn typed(name: &str) -> String {
    name.replace('\u{1b}', "")
}

/// The newest mail once so many have come.
fn newest(server: &SmtpServer, count: usize) -> ReceivedMail {
    server.wait_for(count).pop().unwrap()
}

/// The token of the link in a mail.
fn token_of(mail: &ReceivedMail, secrets: &mut Secrets) -> String {
    let (_, rest) = mail
        .text
        .split_once("?token=")
        .expect("a link with a token");
    let token = rest.split_whitespace().next().unwrap();
    secrets.add(token)
}

async fn by_password(client: &Client, server: &SmtpServer, secrets: &mut Secrets) -> Tokens {
    let [first, second, third, wrong, wrong_change] = PASSWORDS;
    client.register(ADA, first).await;
    let code = secrets.add(&newest(server, 1).code());
    client.verify_email(ADA, &code).await;
    client.login(ADA, wrong).await;
    client.login(wrong, first).await;
    let tokens = secrets.tokens(&client.login(ADA, first).await["session"]);
    let ada = client.with_token(&tokens.access);
    ada.change_password(Some(wrong_change), second).await;
    ada.change_password(Some(first), second).await;
    newest(server, 2);

    client.request_password_reset(ADA).await;
    let token = token_of(&newest(server, 3), secrets);
    client.reset_password(&token, "short").await;
    client.reset_password(&token, third).await;
    newest(server, 4);
    client.reset_password(&token, third).await;
    client.reset_password(third, &token).await;
    let tokens = secrets.tokens(&client.login(ADA, third).await["session"]);

    let ada = client.with_token(&tokens.access);
    ada.request_email_change(NEW_ADA).await;
    server.wait_for(6);
    let code = secrets.add(&server.mail_to(NEW_ADA).await.code());
    ada.confirm_email_change(&code).await;
    newest(server, 7);
    ada.update_me(json!({ "name": typed(FORGED) })).await;
    tokens
}

async fn by_invitation(client: &Client, ada: &Client, server: &SmtpServer, secrets: &mut Secrets) {
    let team = ada.create_team(&typed(FORGED)).await;
    ada.invite(&team, GRACE, "MEMBER").await;
    let declined = token_of(&newest(server, 8), secrets);
    client.preview(&declined).await;
    client.decline(&declined).await;
    ada.invite(&team, GRACE, "MEMBER").await;
    let token = token_of(&newest(server, 9), secrets);
    client.accept(&token).await;
    let input = json!({ "email": GRACE, "name": "Grace", "invitationToken": token });
    client
        .mutate("requestSignupCode", input, "challenge { email }")
        .await;
    let code = secrets.add(&newest(server, 10).code());
    let grace = client.verify_signup_code(GRACE, &code).await;
    let grace = secrets.tokens(&grace["session"]);
    client.accept(&token).await;
    for forged in [FORGED, FORGED_AGENT, &*token] {
        let body = json!({ "query": forged, "variables": { "token": token, "x": FORGED } });
        let request = client
            .with_token(&grace.access)
            .request(reqwest::Method::POST, "/graphql");
        let agent = forged.replace(|c: char| c.is_control(), " ");
        let request = request.header("user-agent", agent).json(&body);
        crate::support::client::Response::of(request).await;
    }
}

/// Every line is one that Gatelodge wrote: an object, or a text that begins with the time.
fn assert_nothing_forged(log: &str) {
    assert!(!log.replace('\n', "").contains(char::is_control), "{log}");
    for line in log.lines() {
        if let Ok(fields) = serde_json::from_str::<serde_json::Value>(line) {
            assert_ne!(fields["event"], "forged", "{line}");
        } else {
            assert!(
                line.starts_with("20") && !line.starts_with("2024-01-15"),
                "{line}"
            );
        }
    }
}

/// Compiles only while the types lack the trait: where one has it, two implementations fit.
macro_rules! lack {
    ($trait:path: $($type:ty),+) => { $({
        trait Lacks<A> {
            fn it() {}
        }
        impl<T: ?Sized> Lacks<()> for T {}
        impl<T: ?Sized + $trait> Lacks<u8> for T {}
        <$type as Lacks<_>>::it();
    })+ };
}

/// Who prints a secret or an address must say so: no `{}` does, and `{:?}` hides it.
#[test]
fn secrets_and_addresses_are_redacted_in_debug_output() {
    lack!(Display: EmailAddress, Code, Link, Password, RenderedMail, SignedIn, Keys);
    lack!(Debug: SignedIn);
    lack!(Serialize: EmailAddress, Password, RenderedMail, SignedIn, Keys);
    let email = EmailAddress::parse(ADA).unwrap();
    let password = Password::new(PASSWORDS[0]);
    let link = Link::new("https://app.example.com/?token=canary".to_owned());
    let shown = format!("{email:?} {password:?} {link:?}");
    assert_eq!(shown, "a***@example.com Password(***) Link(***)");
}
