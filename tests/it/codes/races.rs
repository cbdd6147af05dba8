//! Many answers and requests at once: one winner, and never more guesses than the budget.

use std::fmt::Write;

use futures::future::join_all;
use gatelodge::testing::app::Role;
use gatelodge::testing::domain::mail::MailKind;
use sea_orm::prelude::Uuid;
use serde_json::{Value, json};

use crate::support::client::{assert_error, error_codes, error_codes_and_fields};
use crate::support::deployment::Deployment;
use crate::support::flow::{Flow, wrong_code};
use crate::support::{eventually, on_both_deployments};

const ADA: &str = "ada@example.com";
/// No limit but the code's own budget gets in the way.
const NO_LIMITS: &[(&str, &str)] = &[
    ("MAX_CODE_REQUESTS_PER_HOUR", "1000"),
    ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1000"),
    ("MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP", "1000"),
];

fn sessions(answers: &[Value]) -> usize {
    answers
        .iter()
        .filter(|answer| !answer["session"].is_null())
        .count()
}

on_both_deployments! {
    /// A code has one winner, however many answer with it at once.
    async fn concurrent_right_codes_create_one_session(deployment: Deployment) {
        let app = deployment.start().await;
        for flow in Flow::BOTH {
            let email = flow.email(&app).await;
            let code = flow.code(&app, email).await;
            let before = deployment.count("sessions").await;
            let answers = join_all((0..50).map(|_| flow.verify(&app, email, &code))).await;
            assert_eq!(sessions(&answers), 1);
            assert_eq!(deployment.count("sessions").await, before + 1);
            for answer in answers.iter().filter(|answer| answer["session"].is_null()) {
                let code = error_codes(answer)[0];
                assert!(
                    matches!(code, "INVALID_CODE" | "TOO_MANY_ATTEMPTS" | "RATE_LIMITED"),
                    "{answer}"
                );
            }
        }
    }

    /// However many guess at once, no more guesses are compared than the code allows.
    async fn concurrent_wrong_codes_are_limited(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        for flow in Flow::BOTH {
            let email = flow.email(&app).await;
            let code = flow.code(&app, email).await;
            let wrong: Vec<_> = (0..50).map(|n| wrong_code(&code, n)).collect();
            let answers = join_all(wrong.iter().map(|wrong| flow.verify(&app, email, wrong))).await;
            let compared = answers
                .iter()
                .filter(|answer| error_codes(answer) == ["INVALID_CODE"]);
            assert_eq!(compared.count(), 5);
            let refused_unseen = answers
                .iter()
                .filter(|answer| error_codes(answer) == ["TOO_MANY_ATTEMPTS"]);
            assert_eq!(refused_unseen.count(), 45);
            let attempts: i32 = deployment
                .value(&format!(
                    "SELECT attempts FROM verification_codes WHERE purpose = '{}'
                    AND email = '{email}' AND used_at IS NULL",
                    flow.purpose()
                ))
                .await;
            assert_eq!(attempts, 5);
            assert_error(
                &flow.verify(&app, email, &code).await,
                "TOO_MANY_ATTEMPTS",
                "code",
            );
        }
    }

    /// Aliases in one document are as dear as requests of their own.
    async fn guesses_in_one_document_are_limited(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let code = Flow::Signup.code(&app, ADA).await;
        let mut document = String::from("mutation {");
        for n in 0..49 {
            let guess = wrong_code(&code, n);
            write!(
                document,
                " a{n}: verifySignupCode(input: {{ email: \"{ADA}\", code: \"{guess}\" }}) \
                {{ session {{ accessToken }} errors {{ code field }} }}"
            )
            .unwrap();
        }
        write!(
            document,
            " right: verifySignupCode(input: {{ email: \"{ADA}\", code: \"{code}\" }}) \
            {{ session {{ accessToken }} errors {{ code field }} }} }}"
        )
        .unwrap();
        let data = app.run(&document, json!({})).await;
        let answers = data.as_object().unwrap();
        assert_eq!(answers.len(), 50);
        let compared = answers
            .values()
            .filter(|answer| error_codes(answer) == ["INVALID_CODE"]);
        assert_eq!(compared.count(), 5);
        assert_error(&data["right"], "TOO_MANY_ATTEMPTS", "code");
        let attempts: i32 = deployment
            .value("SELECT attempts FROM verification_codes")
            .await;
        assert_eq!(attempts, 5);
    }

    /// However many ask at once, all are answered, and one code is left: that of the mail which
    /// belongs to it.
    async fn concurrent_requests_leave_one_valid_code(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await.allow_unread_mail();
        for flow in Flow::BOTH {
            let email = flow.email(&app).await;
            let answers = join_all((0..20).map(|_| flow.request(&app, email))).await;
            for answer in &answers {
                assert_eq!(answer["errors"], json!([]), "{answer}");
            }
            let live = format!(
                "verification_codes WHERE purpose = '{}' AND email = '{email}'
                AND used_at IS NULL AND superseded_at IS NULL",
                flow.purpose()
            );
            assert_eq!(deployment.count(&live).await, 1);
            let id: Uuid = deployment
                .value(&format!(
                    "SELECT id FROM outbox_mails WHERE refers_to = (SELECT id FROM {live})"
                ))
                .await;
            let mail = eventually("the mail of the live code", async || {
                app.mails()
                    .into_iter()
                    .find(|mail| Uuid::from(mail.id) == id)
            })
            .await;
            let code = mail.code.unwrap();
            let answer = flow.verify(&app, email, code.expose()).await;
            assert_ne!(answer["session"], Value::Null, "{answer}");
        }
    }

    /// Two processes that are given the right code at once make one account.
    async fn two_processes_create_one_user(deployment: Deployment) {
        let (app, other) = (
            deployment.start_with(NO_LIMITS).await,
            deployment.start_as(Role::Serve, NO_LIMITS).await,
        );
        let code = Flow::Signup.code(&app, ADA).await;
        let answers = join_all((0..20).map(|n| {
            let client = if n % 2 == 0 { &app } else { &other };
            client.verify_signup_code(ADA, &code)
        }))
        .await;
        assert_eq!(sessions(&answers), 1, "{answers:?}");
        assert_eq!(deployment.count("users").await, 1);
        assert_eq!(deployment.count("sessions").await, 1);
    }

    /// An address that gets two accounts at once, by a sign-up and by another way, keeps one, and
    /// the loser is told.
    async fn the_second_sign_up_gets_email_taken(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        app.sign_up("grace@example.com").await;
        let code = Flow::Signup.code(&app, ADA).await;
        let rename = "UPDATE users SET email = 'ada@example.com' WHERE email = 'grace@example.com'";
        let database = deployment.database().await;
        let (answer, renamed) = futures::join!(
            app.verify_signup_code(ADA, &code),
            sea_orm::ConnectionTrait::execute_unprepared(&database, rename),
        );
        match renamed {
            Ok(_) => assert_eq!(
                error_codes_and_fields(&answer),
                [("EMAIL_TAKEN".to_owned(), "email".to_owned())]
            ),
            Err(_) => assert_eq!(sessions(&[answer]), 1),
        }
        assert_eq!(
            deployment
                .count("users WHERE email = 'ada@example.com'")
                .await,
            1
        );
        database.close().await.unwrap();
    }

    /// A code that is superseded while it is being verified either wins or is refused; what is
    /// left over is never two accounts or an error of the server.
    async fn a_code_can_be_replaced_during_verification(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await.allow_unread_mail();
        for n in 0..10 {
            let email = format!("ada{n}@example.com");
            let code = Flow::Signup.code(&app, &email).await;
            let (answer, requested) = futures::join!(
                app.verify_signup_code(&email, &code),
                app.request_signup_code(&email, "Ada"),
            );
            if answer["session"].is_null() {
                assert!(
                    matches!(error_codes(&answer)[0], "INVALID_CODE" | "CODE_EXPIRED"),
                    "{answer}"
                );
                assert_eq!(requested["errors"], json!([]));
                let newer = app.code(MailKind::SignupCode, &email).await;
                let answer = app.verify_signup_code(&email, &newer).await;
                assert_ne!(answer["session"], Value::Null, "{answer}");
            }
        }
        assert_eq!(deployment.count("users").await, 10);
    }
}
