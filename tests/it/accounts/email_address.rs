//! The address of an account: proved, and changed.

use chrono::Duration;
use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use crate::support::accounts::PASSWORD;
use crate::support::client::{CHALLENGE, ERRORS, assert_error};
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

const ADA: &str = "ada@example.com";
const NEW: &str = "new@example.com";

on_both_deployments! {
    /// Whoever is signed in can ask for a new code to prove the address; it takes the place of the
    /// older one, and wrong ones prove nothing.
    async fn a_new_code_verifies_the_address(deployment: Deployment) {
        let app = deployment.start().await;
        app.register(ADA, PASSWORD).await;
        let older = app.code(MailKind::VerifyEmail, ADA).await;
        let client = app.with_token(&app.password_login(ADA, PASSWORD).await.access);
        let query = format!("mutation {{ requestEmailVerification {{ {CHALLENGE} {ERRORS} }} }}");
        let requested = client.run(&query, json!({})).await["requestEmailVerification"].clone();
        assert_eq!(requested["challenge"]["email"], ADA, "{requested}");
        let newer = app.code(MailKind::VerifyEmail, ADA).await;
        assert_ne!(older, newer);
        let wrong = app.verify_email(ADA, &older).await;
        assert_eq!(assert_error(&wrong, "INVALID_CODE", "code")["attemptsRemaining"], 4);
        let other = app.verify_email("grace@example.com", &newer).await;
        assert_error(&other, "INVALID_CODE", "code");
        assert_eq!(client.run("{ me { emailVerified } }", json!({})).await["me"]["emailVerified"], false);
        assert_eq!(app.verify_email("ADA@example.com", &newer).await["user"]["emailVerified"], true);
        assert_eq!(client.run("{ me { emailVerified } }", json!({})).await["me"]["emailVerified"], true);
        app.password_login(ADA, PASSWORD).await;
        assert_eq!(app.post(&query, json!({})).await.code(), "UNAUTHENTICATED");
    }

    /// The new address is proved before anything changes, and the old one is told twice. Sessions
    /// stay; a code or link that was mailed to the old address opens nothing afterwards.
    async fn an_address_changes_once_the_new_one_is_verified(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, PASSWORD).await;
        let client = app.with_token(&app.password_login(ADA, PASSWORD).await.access);
        app.request_login_code(ADA).await;
        let old_code = app.code(MailKind::LoginCode, ADA).await;
        let old_link = app.reset_token(ADA).await;

        let requested = client.request_email_change("New@Example.com").await;
        assert_eq!(requested["challenge"]["email"], NEW, "{requested}");
        let code = app.code(MailKind::ChangeEmail, NEW).await;
        let told = app.mail(MailKind::EmailChanged, ADA).await;
        assert!(told.subject.contains("is about to change") && told.text.contains(NEW), "{}", told.text);
        assert_eq!(client.me().await["email"], ADA);
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let answer = client.confirm_email_change(wrong).await;
        assert_eq!(assert_error(&answer, "INVALID_CODE", "code")["attemptsRemaining"], 4);

        let changed = client.confirm_email_change(&code).await;
        assert_eq!(changed["user"]["email"], NEW, "{changed}");
        let told = app.mail(MailKind::EmailChanged, ADA).await;
        assert!(told.subject.contains("was changed") && told.text.contains(NEW), "{}", told.text);
        assert_eq!(client.me().await["email"], NEW);
        assert_error(&client.confirm_email_change(&code).await, "INVALID_CODE", "code");
        assert_error(&app.verify_login_code(ADA, &old_code).await, "INVALID_CODE", "code");
        assert_error(&app.reset_password(&old_link, PASSWORD).await, "INVALID_TOKEN", "token");
        assert_error(&app.login(ADA, PASSWORD).await, "INVALID_CREDENTIALS", "");
        assert_error(&app.request_login_code(ADA).await, "ACCOUNT_NOT_FOUND", "email");
        app.password_login(NEW, PASSWORD).await;
        app.log_in(NEW).await;
        // The old address is free again.
        app.sign_up(ADA).await;
    }

    /// A code or link for the old address that comes to be while the address changes opens
    /// nothing either: it counts for the address it was mailed to.
    async fn a_code_is_valid_only_for_its_address(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, PASSWORD).await;
        app.request_login_code(ADA).await;
        let code = app.code(MailKind::LoginCode, ADA).await;
        let token = app.reset_token(ADA).await;
        let change = format!("UPDATE users SET email = '{NEW}' WHERE email = '{ADA}'");
        assert_eq!(deployment.execute(&change).await, 1);
        assert_error(&app.verify_login_code(ADA, &code).await, "INVALID_CODE", "code");
        assert_error(&app.reset_password(&token, "another good one 9").await, "INVALID_TOKEN", "token");
        app.password_login(NEW, PASSWORD).await;
    }

    /// A change proves an address that was never proved, so nobody can drop the password later.
    async fn a_changed_address_is_verified(deployment: Deployment) {
        let app = deployment.start().await;
        app.register(ADA, PASSWORD).await;
        let proof = app.code(MailKind::VerifyEmail, ADA).await;
        let client = app.with_token(&app.password_login(ADA, PASSWORD).await.access);
        client.request_email_change(NEW).await;
        let code = app.code(MailKind::ChangeEmail, NEW).await;
        let changed = client.confirm_email_change(&code).await;
        assert_eq!(changed["user"]["emailVerified"], true, "{changed}");
        for _ in 0..2 {
            app.mail(MailKind::EmailChanged, ADA).await;
        }
        assert_error(&app.verify_email(ADA, &proof).await, "INVALID_CODE", "code");
        app.log_in(NEW).await;
        app.password_login(NEW, PASSWORD).await;
        assert_eq!(client.me().await["email"], NEW);
    }

    /// With hints on, a taken address is told; nobody is mailed.
    async fn a_taken_address_is_refused(deployment: Deployment) {
        let app = deployment.start().await;
        app.sign_up("grace@example.com").await;
        let client = app.with_token(&app.sign_up(ADA).await.access);
        let answer = client.request_email_change("GRACE@example.com").await;
        assert_error(&answer, "EMAIL_TAKEN", "newEmail");
        assert_error(&client.request_email_change(ADA).await, "EMAIL_TAKEN", "newEmail");
        assert_error(&client.request_email_change("nonsense").await, "INVALID_EMAIL", "newEmail");
        assert_error(&client.confirm_email_change("000000").await, "INVALID_CODE", "code");
    }

    /// An address that was taken between request and confirmation stays with who took it, and the
    /// code is not lost to the account that wanted it.
    async fn an_address_taken_meanwhile_is_not_taken_over(deployment: Deployment) {
        let app = deployment.start().await;
        let client = app.with_token(&app.sign_up(ADA).await.access);
        client.request_email_change(NEW).await;
        app.mail(MailKind::EmailChanged, ADA).await;
        let code = app.code(MailKind::ChangeEmail, NEW).await;
        let other = app.sign_up(NEW).await;
        assert_error(&client.confirm_email_change(&code).await, "EMAIL_TAKEN", "");
        assert_eq!(client.me().await["email"], ADA);
        assert_eq!(app.with_token(&other.access).me().await["email"], NEW);
    }

    /// With hints off, a taken address gets the same answer as a free one. Its owner is told by
    /// mail, and even the right code, which nobody was mailed, would not take it over.
    async fn without_hints_a_taken_address_looks_free(deployment: Deployment) {
        let app = deployment.start_with(&[("ACCOUNT_EXISTENCE_HINTS", "false")]).await;
        app.sign_up("grace@example.com").await;
        let client = app.with_token(&app.sign_up(ADA).await.access);
        let mut answers = Vec::new();
        for (email, kind) in [
            ("free@example.com", MailKind::ChangeEmail),
            ("grace@example.com", MailKind::AccountExists),
        ] {
            let mut answer = client.request_email_change(email).await;
            let challenge = answer["challenge"].as_object_mut().unwrap();
            assert_eq!(challenge.remove("email"), Some(json!(email)));
            assert!(challenge.remove("expiresAt").is_some_and(|at| at != Value::Null));
            let mail = app.mail(kind, email).await;
            assert_eq!(mail.code.is_some(), kind == MailKind::ChangeEmail);
            app.mail(MailKind::EmailChanged, ADA).await;
            answers.push((answer, client.confirm_email_change("x").await));
        }
        assert_eq!(answers[0], answers[1]);
        let guessed = deployment.derived_code("change_email", "grace@example.com").await;
        assert_error(&client.confirm_email_change(&guessed).await, "EMAIL_TAKEN", "");
        assert_eq!(client.me().await["email"], ADA);
    }

    /// A code to change the address dies like any other.
    async fn a_code_to_change_the_address_expires(deployment: Deployment) {
        let app = deployment.start().await.allow_unread_mail();
        let client = app.with_token(&app.sign_up(ADA).await.access);
        client.request_email_change(NEW).await;
        let code = app.code(MailKind::ChangeEmail, NEW).await;
        app.clock.advance(Duration::minutes(15));
        assert_error(&client.confirm_email_change(&code).await, "CODE_EXPIRED", "code");
        // Another account cannot use it either.
        client.request_email_change(NEW).await;
        let code = app.code(MailKind::ChangeEmail, NEW).await;
        let eve = app.with_token(&app.sign_up("eve@example.com").await.access);
        assert_error(&eve.confirm_email_change(&code).await, "INVALID_CODE", "code");
        assert_eq!(client.confirm_email_change(&code).await["user"]["email"], NEW);
    }
}
