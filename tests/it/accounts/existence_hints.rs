//! `ACCOUNT_EXISTENCE_HINTS=false`: nobody but the holder of a mailbox learns whether its address
//! has an account.

use std::collections::BTreeMap;

use chrono::Duration;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{CHALLENGE, ERRORS, assert_error, error_codes};
use crate::support::deployment::Deployment;
use crate::support::flow::Flow;
use crate::support::{eventually, on_both_deployments};

const KNOWN: &str = "known@example.com";
const UNKNOWN: &str = "other@example.com";
const SETTINGS: &[(&str, &str)] = &[
    ("ACCOUNT_EXISTENCE_HINTS", "false"),
    ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1000"),
    ("MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP", "1000"),
];

/// An app with one account; its window for codes is new.
async fn start(deployment: &Deployment) -> TestApp {
    deployment.clock.freeze();
    let app = deployment.start_with(SETTINGS).await;
    app.sign_up(KNOWN).await;
    app.clock.advance(Duration::hours(1));
    app
}

/// The addresses of a flow: the one it is meant for, and the one it is of no use to.
fn addresses(flow: Flow) -> [&'static str; 2] {
    match flow {
        Flow::Signup => [UNKNOWN, KNOWN],
        Flow::Login => [KNOWN, UNKNOWN],
    }
}

/// An answer without what differs from one request to the next in any case.
fn shape(answer: &Value) -> String {
    let mut answer = answer.clone();
    if let Some(challenge) = answer["challenge"].as_object_mut() {
        for (name, replaced) in [("email", "address"), ("expiresAt", "time")] {
            assert!(challenge.insert(name.to_owned(), replaced.into()).is_some());
        }
    }
    if let Some(seconds) = answer.pointer_mut("/errors/0/retryAfterSeconds") {
        assert_eq!(*seconds, 3600);
        *seconds = "an hour".into();
    }
    answer.to_string()
}

on_both_deployments! {
    /// Requests, wrong answers, spent budgets, expiry and limits look the same from outside.
    async fn known_and_unknown_addresses_get_the_same_code_responses(deployment: Deployment) {
        let app = start(&deployment).await.allow_unread_mail();
        for flow in Flow::BOTH {
            let [meant, other] = addresses(flow).map(|email| (email, &app));
            let dialogue = async |(email, app): (&str, &TestApp)| {
                let mut answers = vec![flow.verify(app, email, "123456").await];
                answers.push(flow.request(app, email).await);
                // A wrong answer in one of a million runs is right; a malformed one never.
                answers.push(flow.verify(app, email, "12345x").await);
                for n in 0..6 {
                    answers.push(flow.verify(app, email, &format!("{n:06}")).await);
                }
                answers.push(flow.request(app, email).await);
                answers.push(flow.verify(app, email, "000000").await);
                for _ in 0..4 {
                    answers.push(flow.request(app, email).await);
                }
                answers.iter().map(shape).collect::<Vec<_>>()
            };
            let (meant, other) = (dialogue(meant).await, dialogue(other).await);
            assert_eq!(meant, other, "{flow:?}");
            assert!(meant[7].contains("INVALID_CODE"), "{}", meant[7]);
            assert!(meant[8].contains("TOO_MANY_ATTEMPTS"), "{}", meant[8]);
            assert!(meant.last().unwrap().contains("RATE_LIMITED"), "{meant:?}");

            app.clock.advance(Duration::hours(1));
            for email in addresses(flow) {
                assert_error(
                    &flow.verify(&app, email, "123456").await,
                    "CODE_EXPIRED",
                    "code",
                );
            }
        }
    }

    /// The status, the headers and the length of an answer tell nothing either.
    async fn responses_are_identical_on_the_wire(deployment: Deployment) {
        let app = start(&deployment).await.allow_unread_mail();
        for flow in Flow::BOTH {
            let mut answers = Vec::new();
            for email in addresses(flow) {
                let (mutation, input) = match flow {
                    Flow::Signup => (
                        "requestSignupCode",
                        json!({ "email": email, "name": "Ada" }),
                    ),
                    Flow::Login => ("requestLoginCode", json!({ "email": email })),
                };
                let kind = format!("R{}Input", &mutation[1..]);
                let query = format!(
                    "mutation($i: {kind}!) {{ {mutation}(input: $i) {{ {CHALLENGE} {ERRORS} }} }}"
                );
                let answer = app.post(&query, json!({ "i": input })).await;
                let headers: BTreeMap<_, _> = answer
                    .headers
                    .iter()
                    .filter(|(name, _)| {
                        !matches!(name.as_str(), "date" | "x-request-id" | "content-length")
                    })
                    .map(|(name, value)| (name.to_string(), value.clone()))
                    .collect();
                // Both addresses have as many letters; fractions of seconds may end in zeros.
                let length = answer.text.len();
                let expires_at = answer.json()["data"][mutation]["challenge"]["expiresAt"]
                    .as_str()
                    .unwrap()
                    .len();
                answers.push((answer.status, headers, length - expires_at));
            }
            assert_eq!(answers[0], answers[1], "{flow:?}");
        }
    }

    /// The truth goes by mail: there is an account already, or there is none.
    async fn the_outcome_is_only_sent_by_email(deployment: Deployment) {
        let app = start(&deployment).await;
        for flow in Flow::BOTH {
            let [meant, other] = addresses(flow);
            for email in [meant, other] {
                assert_eq!(flow.request(&app, email).await["errors"], json!([]));
            }
            assert!(app.mail(flow.code_mail(), meant).await.code.is_some());
            let mail = app.mail(flow.rejection_mail(), other).await;
            assert!(mail.code.is_none(), "{mail:?}");
            let code = deployment.derived_code(flow.purpose(), other).await;
            for text in [&mail.subject, &mail.text, &mail.html] {
                assert!(!text.contains(&code), "{text}");
            }
        }
    }

    /// The code of a row that was made for the look of it opens nothing, even if it is guessed.
    async fn a_decoy_code_never_works(deployment: Deployment) {
        let app = start(&deployment).await;
        let before = (
            deployment.count("users").await,
            deployment.count("sessions").await,
        );
        for flow in Flow::BOTH {
            let [_, other] = addresses(flow);
            flow.request(&app, other).await;
            app.mail(flow.rejection_mail(), other).await;
            let code = deployment.derived_code(flow.purpose(), other).await;
            let answer = flow.verify(&app, other, &code).await;
            assert_eq!(answer["session"], Value::Null, "{answer}");
            let code = error_codes(&answer)[0];
            assert!(matches!(code, "INVALID_CODE" | "EMAIL_TAKEN"), "{answer}");
        }
        assert_eq!(
            (
                deployment.count("users").await,
                deployment.count("sessions").await
            ),
            before
        );

        // Nor does it become worth something once the address has an account.
        app.request_login_code(UNKNOWN).await;
        let decoy = deployment.derived_code("login", UNKNOWN).await;
        app.mail(Flow::Login.rejection_mail(), UNKNOWN).await;
        app.sign_up(UNKNOWN).await;
        assert_error(
            &app.verify_login_code(UNKNOWN, &decoy).await,
            "INVALID_CODE",
            "code",
        );
    }

    /// Both flows work as ever for those they are meant for.
    async fn sign_up_and_login_work_without_hints(deployment: Deployment) {
        let app = start(&deployment).await;
        app.sign_up("grace@example.com").await;
        app.log_in("grace@example.com").await;
        app.log_in(KNOWN).await;
    }

    /// The same rows are written for both.
    async fn known_and_unknown_addresses_cost_the_same_work(deployment: Deployment) {
        let app = deployment
            .start_with(&[SETTINGS, &[("MAX_CODE_REQUESTS_PER_HOUR", "1000")]].concat())
            .await
            .allow_unread_mail();
        app.sign_up(KNOWN).await;
        for flow in Flow::BOTH {
            let rows = async |email: &str| {
                let codes = format!("verification_codes WHERE purpose = '{}'", flow.purpose());
                let codes = deployment
                    .count(&format!("{codes} AND email = '{email}'"))
                    .await;
                let mails = format!("outbox_mails WHERE recipient = '{email}'");
                (codes, deployment.count(&mails).await)
            };
            let [meant, other] = addresses(flow);
            let before = (rows(meant).await, rows(other).await);
            for n in 0..60 {
                let answer = flow.request(&app, [meant, other][n % 2]).await;
                assert_eq!(answer["errors"], json!([]));
                eventually("the mail", async || {
                    let waiting = deployment
                        .count("outbox_mails WHERE state = 'pending'")
                        .await;
                    (waiting == 0).then_some(())
                })
                .await;
            }
            assert_eq!(rows(meant).await, (before.0.0 + 30, before.0.1 + 30));
            assert_eq!(rows(other).await, (before.1.0 + 30, before.1.1 + 30));
        }
    }
}
