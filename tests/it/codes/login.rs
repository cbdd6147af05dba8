//! Logging in by emailed code, and every way to be refused.

use chrono::Duration;
use serde_json::{Value, json};

use crate::support::client::assert_error;
use crate::support::deployment::Deployment;
use crate::support::flow::{Flow, wrong_code};
use crate::support::on_both_deployments;

const ADA: &str = "ada@example.com";

on_both_deployments! {
    /// An address without an account is told so, and gets no mail (an unread one fails the test).
    async fn an_address_without_an_account_cannot_log_in(deployment: Deployment) {
        let app = deployment.start().await;
        assert_error(
            &app.request_login_code(ADA).await,
            "ACCOUNT_NOT_FOUND",
            "email",
        );
        assert_eq!(deployment.count("outbox_mails").await, 0);
        assert_eq!(deployment.count("verification_codes").await, 0);
    }

    /// A sign-up that was never finished is no account.
    async fn an_unfinished_sign_up_cannot_log_in(deployment: Deployment) {
        let app = deployment.start().await;
        Flow::Signup.code(&app, ADA).await;
        assert_error(
            &app.request_login_code(ADA).await,
            "ACCOUNT_NOT_FOUND",
            "email",
        );
    }

    /// A disabled account is told so to whoever holds its mailbox, and to nobody else.
    async fn a_disabled_account_cannot_log_in(deployment: Deployment) {
        let app = deployment.start().await;
        app.sign_up(ADA).await;
        let code = Flow::Login.code(&app, ADA).await;
        assert_eq!(
            deployment
                .execute("UPDATE users SET is_active = FALSE")
                .await,
            1
        );
        assert_error(
            &app.verify_login_code(ADA, &wrong_code(&code, 0)).await,
            "INVALID_CODE",
            "code",
        );
        assert_error(
            &app.verify_login_code(ADA, &code).await,
            "ACCOUNT_DISABLED",
            "",
        );
        assert_error(
            &app.verify_login_code(ADA, &code).await,
            "INVALID_CODE",
            "code",
        );
        assert_eq!(deployment.count("sessions").await, 1);

        assert_eq!(
            deployment
                .execute("UPDATE users SET is_active = TRUE")
                .await,
            1
        );
        app.log_in(ADA).await;
    }

    /// Each login is a session of its own, and is noted on the account.
    async fn a_login_is_recorded(deployment: Deployment) {
        let app = deployment.start().await;
        let first = app.sign_up(ADA).await;
        app.clock.advance(Duration::hours(3));
        let second = app.log_in(ADA).await;
        assert_eq!(first.user_id, second.user_id);
        assert_ne!(first.refresh, second.refresh);
        let client = app.with_token(&second.access);
        let me = client
            .run("{ me { createdAt updatedAt lastLoginAt } }", json!({}))
            .await;
        let time = |field: &str| {
            let text = me["me"][field].as_str().unwrap();
            chrono::DateTime::parse_from_rfc3339(text).unwrap()
        };
        assert!(
            time("lastLoginAt") - time("createdAt") >= Duration::hours(3),
            "{me}"
        );
        assert_eq!(time("createdAt"), time("updatedAt"));
        assert_ne!(app.with_token(&first.access).me().await, Value::Null);
    }

    /// An account that an operator made with an address never proved has proved it by the code.
    async fn a_login_verifies_the_address(deployment: Deployment) {
        let app = deployment.start().await;
        app.sign_up(ADA).await;
        let changed = deployment
            .execute("UPDATE users SET email_verified_at = NULL")
            .await;
        assert_eq!(changed, 1);
        let code = Flow::Login.code(&app, ADA).await;
        let answer = app.verify_login_code(ADA, &code).await;
        assert_eq!(answer["session"]["user"]["emailVerified"], true);
        assert_eq!(
            deployment
                .count("users WHERE email_verified_at IS NOT NULL")
                .await,
            1
        );
    }
}
