//! Signing up and logging in by emailed code.

use gatelodge::domain::mail::MailKind;
use serde_json::{Value, json};

use crate::support::client::error_codes;
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

on_both_deployments! {
    /// The main path: sign up, see oneself, log in again.
    async fn an_account_is_made_and_used(deployment: Deployment) {
        let app = deployment.start().await;
        let requested = app.request_signup_code("Ada@Example.com", "Ada").await;
        assert_eq!(requested["challenge"]["email"], "ada@example.com");
        assert_eq!(requested["challenge"]["codeLength"], 6);
        let code = app.code(MailKind::SignupCode, "ada@example.com").await;
        let verified = app.verify_signup_code("ada@example.com", &code).await;
        assert_eq!(verified["errors"], json!([]));
        let user = &verified["session"]["user"];
        assert_eq!(user["name"], "Ada");
        assert_eq!(user["emailVerified"], true);
        assert_eq!(user["hasPassword"], false);

        let token = verified["session"]["accessToken"].as_str().unwrap();
        assert_eq!(app.with_token(token).me().await["email"], "ada@example.com");
        assert_eq!(app.me().await, Value::Null);

        let again = app.log_in("ada@example.com").await;
        assert_eq!(user["id"], again.user_id.as_str());
        assert_eq!(app.with_token(&again.access).me().await["name"], "Ada");
    }

    /// A code has one winner, however many answer with it at once.
    async fn fifty_right_answers_at_once_make_one_session(deployment: Deployment) {
        let app = deployment.start().await;
        app.request_signup_code("ada@example.com", "Ada").await;
        let code = app.code(MailKind::SignupCode, "ada@example.com").await;
        let answers = (0..50).map(|_| app.verify_signup_code("ada@example.com", &code));
        let answers = futures::future::join_all(answers).await;
        let sessions = answers.iter().filter(|answer| !answer["session"].is_null()).count();
        assert_eq!(sessions, 1);
        for answer in answers.iter().filter(|answer| answer["session"].is_null()) {
            let code = error_codes(answer)[0];
            assert!(matches!(code, "INVALID_CODE" | "TOO_MANY_ATTEMPTS" | "RATE_LIMITED"), "{answer}");
        }
    }
}
