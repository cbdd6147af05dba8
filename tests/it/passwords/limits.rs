//! How often passwords may be tried.

use chrono::Duration;
use gatelodge::testing::domain::mail::MailKind;
use serde_json::json;

use crate::support::accounts::{OTHER_PASSWORD, PASSWORD};
use crate::support::client::{assert_error, error_codes};
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

const ADA: &str = "ada@example.com";

on_both_deployments! {
    /// Failures are limited by address wherever they come from, also for an address without an
    /// account; the right password does not help then, a code by mail does.
    async fn failed_logins_are_limited_by_address(deployment: Deployment) {
        deployment.clock.freeze();
        let app = deployment.start_with(&[("MAX_LOGIN_ATTEMPTS_PER_15_MINUTES", "3")]).await;
        app.register_verified(ADA, PASSWORD).await;
        for email in [ADA, "nobody@example.com"] {
            for client in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
                let answer = app.with_ip(client).login(email, OTHER_PASSWORD).await;
                assert_error(&answer, "INVALID_CREDENTIALS", "");
            }
            let limited = app.login(email, PASSWORD).await;
            let error = assert_error(&limited, "RATE_LIMITED", "");
            assert_eq!(error["retryAfterSeconds"], 900);
        }
        let by_code = app.log_in(ADA).await;
        assert_eq!(app.with_token(&by_code.access).me().await["email"], ADA);
        assert_error(&app.login(ADA, PASSWORD).await, "RATE_LIMITED", "");
        app.clock.advance(Duration::minutes(15));
        app.password_login(ADA, PASSWORD).await;
    }

    /// Failures are limited by network over all addresses. A success is no failure, and takes
    /// none back.
    async fn failed_logins_are_limited_by_network(deployment: Deployment) {
        let app = deployment.start_with(&[("MAX_LOGIN_ATTEMPTS_PER_15_MINUTES_PER_IP", "3")]).await;
        app.register_verified(ADA, PASSWORD).await;
        for n in 0..2 {
            let answer = app.login(&format!("{n}@example.com"), PASSWORD).await;
            assert_error(&answer, "INVALID_CREDENTIALS", "");
        }
        for _ in 0..5 {
            app.password_login(ADA, PASSWORD).await;
        }
        assert_error(&app.login("2@example.com", PASSWORD).await, "INVALID_CREDENTIALS", "");
        assert_error(&app.login(ADA, PASSWORD).await, "RATE_LIMITED", "");
        app.with_ip("127.0.0.2").password_login(ADA, PASSWORD).await;
        app.clock.advance(Duration::minutes(15));
        app.password_login(ADA, PASSWORD).await;
    }

    /// A login is counted before its hash is computed: many at once compare no more than many one
    /// after another.
    async fn parallel_guesses_are_counted_before_they_are_compared(deployment: Deployment) {
        let there = deployment.start().await.allow_unread_mail();
        let here = deployment.start().await.allow_unread_mail();
        deployment.register(&here, ADA, PASSWORD).await;
        let guesses = (0..40).map(|n| {
            let app = if n % 2 == 0 { &here } else { &there };
            async move { app.login(ADA, &format!("guess number {n}")).await }
        });
        let answers = futures::future::join_all(guesses).await;
        let compared = answers.iter().filter(|answer| error_codes(answer) == ["INVALID_CREDENTIALS"]);
        // Without Redis each process counts for itself.
        let budget = if deployment.redis.is_some() { 10 } else { 20 };
        assert_eq!(compared.count(), budget);
        let limited = answers.iter().filter(|answer| error_codes(answer) == ["RATE_LIMITED"]);
        assert_eq!(limited.count(), 40 - budget);
    }

    /// The password that `changePassword` asks for cannot be guessed without limit either.
    async fn guesses_at_the_current_password_are_limited(deployment: Deployment) {
        let app = deployment.start_with(&[("MAX_LOGIN_ATTEMPTS_PER_15_MINUTES", "3")]).await;
        app.register_verified(ADA, PASSWORD).await;
        let client = app.with_token(&app.password_login(ADA, PASSWORD).await.access);
        for _ in 0..3 {
            let wrong = client.change_password(Some("wrong"), OTHER_PASSWORD).await;
            assert_error(&wrong, "INVALID_CREDENTIALS", "currentPassword");
        }
        assert_error(&client.change_password(Some(PASSWORD), OTHER_PASSWORD).await, "RATE_LIMITED", "");
    }

    /// Registrations are limited by network, reset links by address, both also by the rules of
    /// every mailed code.
    async fn registrations_and_resets_are_limited(deployment: Deployment) {
        let app = deployment.start_with(&[
            ("MAX_REGISTRATIONS_PER_HOUR_PER_IP", "2"),
            ("MAX_PASSWORD_RESETS_PER_HOUR", "2"),
            ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "6"),
        ]).await;
        app.register_verified(ADA, PASSWORD).await;
        app.register_verified("grace@example.com", PASSWORD).await;
        assert_error(&app.register("eve@example.com", PASSWORD).await, "RATE_LIMITED", "");
        let elsewhere = app.with_ip("127.0.0.2").register("elsewhere@example.com", PASSWORD).await;
        assert_eq!(elsewhere["errors"], json!([]), "{elsewhere}");
        app.code(MailKind::VerifyEmail, "elsewhere@example.com").await;

        for _ in 0..2 {
            app.reset_token(ADA).await;
        }
        assert_error(&app.request_password_reset(ADA).await, "RATE_LIMITED", "");
        app.reset_token("grace@example.com").await;
        // Seven mails from one network.
        assert_error(&app.request_password_reset("grace@example.com").await, "RATE_LIMITED", "");
        app.clock.advance(Duration::hours(1));
        app.reset_token(ADA).await;
    }
}
