//! Forgotten passwords: a mailed link sets a new one.

use chrono::Duration;
use gatelodge::testing::domain::mail::MailKind;
use serde_json::json;

use crate::support::accounts::{OTHER_PASSWORD, PASSWORD};
use crate::support::client::{assert_error, error_codes};
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::rejected_tokens::{
    assert_access_token_rejected, assert_bearer_rejected, assert_refresh_token_rejected,
};

const ADA: &str = "ada@example.com";

on_both_deployments! {
    /// The link sets a new password, proves the address, ends every session at once on every
    /// process, also where a session was just found alive, and the owner is told.
    async fn a_reset_revokes_every_session(deployment: Deployment) {
        let (here, there) = (deployment.start().await, deployment.start().await.allow_unread_mail());
        let here = here.allow_unread_mail();
        here.register(ADA, PASSWORD).await;
        let first = here.password_login(ADA, PASSWORD).await;
        let second = there.password_login(ADA, PASSWORD).await;
        for app in [&here, &there] {
            for tokens in [&first, &second] {
                assert_eq!(app.with_token(&tokens.access).sessions().await.len(), 2);
            }
        }

        here.request_password_reset(ADA).await;
        let code = deployment.derived_reset_token(ADA).await;
        let reset = there.reset_password(&code, OTHER_PASSWORD).await;
        assert_eq!(reset["errors"], json!([]), "{reset}");
        for app in [&here, &there] {
            for tokens in [&first, &second] {
                assert_access_token_rejected(app, &tokens.access, "REVOKED").await;
                assert_refresh_token_rejected(app, &tokens.refresh).await;
            }
        }
        assert_error(&here.login(ADA, PASSWORD).await, "INVALID_CREDENTIALS", "");
        let answer = here.login(ADA, OTHER_PASSWORD).await;
        assert_eq!(answer["session"]["user"]["emailVerified"], true, "{answer}");
        let told = "outbox_mails WHERE kind = 'password_changed' AND recipient = 'ada@example.com'";
        assert_eq!(deployment.count(told).await, 1);
    }

    /// A token works once, for an hour, and only until a newer one takes its place.
    async fn a_reset_token_is_used_once_and_expires(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, PASSWORD).await;
        let older = app.reset_token(ADA).await;
        let newer = app.reset_token(ADA).await;
        assert_error(&app.reset_password(&older, OTHER_PASSWORD).await, "INVALID_TOKEN", "token");
        assert_eq!(app.reset_password(&newer, OTHER_PASSWORD).await["errors"], json!([]));
        let mail = app.mail(MailKind::PasswordChanged, ADA).await;
        assert!(mail.subject.contains("was changed"), "{}", mail.subject);
        assert_error(&app.reset_password(&newer, PASSWORD).await, "INVALID_TOKEN", "token");
        app.password_login(ADA, OTHER_PASSWORD).await;

        let in_time = app.reset_token(ADA).await;
        app.clock.advance(Duration::minutes(59));
        assert_eq!(app.reset_password(&in_time, PASSWORD).await["errors"], json!([]));
        app.mail(MailKind::PasswordChanged, ADA).await;
        let late = app.reset_token(ADA).await;
        app.clock.advance(Duration::minutes(60));
        assert_error(&app.reset_password(&late, OTHER_PASSWORD).await, "INVALID_TOKEN", "token");
        app.password_login(ADA, PASSWORD).await;
    }

    /// A new password that is refused does not use the token up, and changes nothing.
    async fn a_weak_password_does_not_use_up_the_token(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, PASSWORD).await;
        let session = app.password_login(ADA, PASSWORD).await;
        let token = app.reset_token(ADA).await;
        for weak in ["", "short", "password123", ADA, "Ada Lovelace", &"x".repeat(257)] {
            assert_error(&app.reset_password(&token, weak).await, "WEAK_PASSWORD", "newPassword");
        }
        assert_eq!(app.with_token(&session.access).me().await["email"], ADA);
        assert_eq!(app.reset_password(&token, OTHER_PASSWORD).await["errors"], json!([]));
        app.mail(MailKind::PasswordChanged, ADA).await;
        app.password_login(ADA, OTHER_PASSWORD).await;
    }

    /// No token does the work of another kind.
    async fn tokens_work_for_one_kind_only(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, PASSWORD).await;
        let session = app.password_login(ADA, PASSWORD).await;
        let reset = app.reset_token(ADA).await;
        let row: uuid::Uuid = deployment
            .value("SELECT id FROM verification_codes WHERE purpose = 'password_reset'")
            .await;
        let mut changed = reset.clone().into_bytes();
        changed[30] = if changed[30] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let unknown = "A".repeat(64);
        let cut = &reset[..63];
        for token in [
            session.access.as_str(), &session.refresh, &row.to_string(), "", "x", &unknown, &changed,
            cut, &format!("{reset}="), &format!("{reset}A"), &format!(" {reset}"),
        ] {
            assert_error(&app.reset_password(token, OTHER_PASSWORD).await, "INVALID_TOKEN", "token");
        }
        for token in [&reset, &session.access] {
            assert_refresh_token_rejected(&app, token).await;
        }
        for token in [&reset, &session.refresh] {
            assert_bearer_rejected(&app, token, "INVALID", "a token of another kind").await;
        }
        for token in [&reset, &session.refresh, &session.access] {
            assert_error(&app.verify_email(ADA, token).await, "INVALID_CODE", "code");
            let as_code = app.verify_login_code(ADA, token).await;
            assert_error(&as_code, "INVALID_CODE", "code");
        }
        assert_eq!(app.reset_password(&reset, OTHER_PASSWORD).await["errors"], json!([]));
        app.mail(MailKind::PasswordChanged, ADA).await;
    }

    /// A code is for one purpose: those of two others do not prove an address.
    async fn codes_work_for_one_purpose_only(deployment: Deployment) {
        let app = deployment.start().await.allow_unread_mail();
        app.register(ADA, PASSWORD).await;
        let session = app.password_login(ADA, PASSWORD).await;
        let client = app.with_token(&session.access);
        app.request_login_code(ADA).await;
        client.request_email_change("new@example.com").await;
        let proof = deployment.derived_code("verify_email", ADA).await;
        let login = deployment.derived_code("login", ADA).await;
        let change = deployment.derived_code("change_email", "new@example.com").await;
        for code in [&login, &change] {
            assert_error(&app.verify_email(ADA, code).await, "INVALID_CODE", "code");
        }
        for code in [&proof, &change] {
            assert_error(&app.verify_login_code(ADA, code).await, "INVALID_CODE", "code");
        }
        for code in [&proof, &login] {
            assert_error(&client.confirm_email_change(code).await, "INVALID_CODE", "code");
        }
        assert_error(&app.verify_signup_code(ADA, &proof).await, "INVALID_CODE", "code");
    }

    /// With hints on, an address without an account is told so.
    async fn an_unknown_address_is_reported(deployment: Deployment) {
        let app = deployment.start().await;
        let answer = app.request_password_reset(ADA).await;
        assert_error(&answer, "ACCOUNT_NOT_FOUND", "email");
        assert_error(&app.request_password_reset("nonsense").await, "INVALID_EMAIL", "email");
        assert_eq!(deployment.count("outbox_mails").await, 0);
    }

    /// However many present one token at once, at whichever process, one sets the password, and
    /// it is that one's.
    async fn a_token_resets_once_under_concurrency(deployment: Deployment) {
        let here = deployment.start().await.allow_unread_mail();
        let there = deployment.start().await.allow_unread_mail();
        here.register(ADA, PASSWORD).await;
        here.request_password_reset(ADA).await;
        let token = deployment.derived_reset_token(ADA).await;
        let password = |n: usize| format!("good password {n} of 20");
        let resets = (0..20).map(|n| {
            let (app, token) = (if n % 2 == 0 { &here } else { &there }, &token);
            async move { app.reset_password(token, &password(n)).await }
        });
        let answers = futures::future::join_all(resets).await;
        let won: Vec<_> = (0..20).filter(|n| error_codes(&answers[*n]).is_empty()).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        let lost = answers.iter().filter(|answer| error_codes(answer) == ["INVALID_TOKEN"]);
        assert_eq!(lost.count(), 19);
        here.password_login(ADA, &password(won[0])).await;
        assert_eq!(deployment.count("outbox_mails WHERE kind = 'password_changed'").await, 1);
    }
}
