//! Changes to one account that meet: whoever is shut out stays out, and nothing hangs.

use std::future::Future;

use gatelodge::testing::domain::mail::MailKind;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};

use crate::support::accounts::{OTHER_PASSWORD, PASSWORD};
use crate::support::client::{Client, Tokens, assert_error, error_codes};
use crate::support::deployment::Deployment;
use crate::support::rejected_tokens::assert_access_token_rejected;
use crate::support::{eventually, on_both_deployments};

const ADA: &str = "ada@example.com";
const THIRD_PASSWORD: &str = "eleven lamps 29";

/// Settings under which nothing is limited.
const UNLIMITED: &[(&str, &str)] = &[
    ("MAX_LOGIN_ATTEMPTS_PER_15_MINUTES", "100000"),
    ("MAX_LOGIN_ATTEMPTS_PER_15_MINUTES_PER_IP", "100000"),
    ("MAX_PASSWORD_RESETS_PER_HOUR", "100000"),
    ("MAX_CODE_REQUESTS_PER_HOUR", "100000"),
    ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "100000"),
];

on_both_deployments! {
    /// A login with the old password that meets a reset leaves no live session, whichever of the
    /// two comes first.
    async fn no_session_of_the_old_password_survives_a_reset(deployment: Deployment) {
        let here = deployment.start_with(UNLIMITED).await;
        let there = deployment.start_with(UNLIMITED).await.allow_unread_mail();
        let here = here.allow_unread_mail();
        let mut password = PASSWORD.to_owned();
        deployment.register(&here, ADA, PASSWORD).await;
        for round in 0..6 {
            let token = reset_token(&here, &deployment).await;
            let next = format!("good password {round} of 6");
            let logins = futures::future::join_all((0..12).map(|n| {
                let (app, password) = (if n % 2 == 0 { &here } else { &there }, &password);
                async move { app.login(ADA, password).await }
            }));
            let (reset, logins) = tokio::join!(here.reset_password(&token, &next), logins);
            assert_eq!(reset["errors"], json!([]), "{reset}");
            for login in logins.iter().filter(|login| error_codes(login).is_empty()) {
                let tokens = Tokens::of(&login["session"]);
                assert_access_token_rejected(&there, &tokens.access, "REVOKED").await;
            }
            password = next;
        }
        let live = "sessions WHERE revoked_at IS NULL";
        assert_eq!(deployment.count(live).await, 0);
    }

    /// Somebody who holds a session and the old password and keeps changing it cannot undo a
    /// reset by a change that was on its way.
    async fn a_concurrent_change_does_not_undo_a_reset(deployment: Deployment) {
        let app = deployment.start_with(UNLIMITED).await.allow_unread_mail();
        deployment.register(&app, ADA, PASSWORD).await;
        let mut password = PASSWORD.to_owned();
        for round in 0..8 {
            let session = app.password_login(ADA, &password).await;
            let client = app.with_token(&session.access);
            let token = reset_token(&app, &deployment).await;
            let next = format!("good password {round} of 8");
            let changes = futures::future::join_all(
                (0..6).map(|_| client.post(CHANGE, json!({ "old": &password, "new": THIRD_PASSWORD }))),
            );
            let (reset, _) = tokio::join!(app.reset_password(&token, &next), changes);
            // A change that came first made the link worthless.
            password = if error_codes(&reset).is_empty() { next } else { THIRD_PASSWORD.to_owned() };
            app.password_login(ADA, &password).await;
            if password != THIRD_PASSWORD {
                assert_error(&app.login(ADA, THIRD_PASSWORD).await, "INVALID_CREDENTIALS", "");
                assert_access_token_rejected(&app, &session.access, "REVOKED").await;
            }
        }
    }

    /// One of two accounts that change to one address at once gets it.
    async fn an_address_belongs_to_one_user(deployment: Deployment) {
        let here = deployment.start_with(UNLIMITED).await.allow_unread_mail();
        let there = deployment.start_with(UNLIMITED).await.allow_unread_mail();
        for round in 0..5 {
            let wanted = format!("wanted{round}@example.com");
            let (ada, grace) = (format!("ada{round}@example.com"), format!("grace{round}@example.com"));
            let mut clients = Vec::new();
            for (app, email) in [(&here, &ada), (&there, &grace)] {
                app.register(email, PASSWORD).await;
                let tokens = app.password_login(email, PASSWORD).await;
                clients.push(app.with_token(&tokens.access));
            }
            // Ada changes to the address while Grace, who asked for nothing, signs up with it.
            clients[0].request_email_change(&wanted).await;
            there.request_signup_code(&wanted, "Eve").await;
            let change = deployment.derived_code("change_email", &wanted).await;
            let signup = deployment.derived_code("signup", &wanted).await;
            let (changed, signed_up) = tokio::join!(
                clients[0].confirm_email_change(&change),
                there.verify_signup_code(&wanted, &signup),
            );
            let mut lost: Vec<_> = [&changed, &signed_up].into_iter().flat_map(error_codes).collect();
            assert_eq!(lost.pop(), Some("EMAIL_TAKEN"), "{changed} {signed_up}");
            assert!(lost.is_empty(), "{changed} {signed_up}");

            // Both change to one address: the newer code takes the place of the older one.
            let both = format!("both{round}@example.com");
            clients[0].request_email_change(&both).await;
            let older = deployment.derived_code("change_email", &both).await;
            clients[1].request_email_change(&both).await;
            let newer = deployment.derived_code("change_email", &both).await;
            let (first, second) = tokio::join!(
                clients[0].confirm_email_change(&older),
                clients[1].confirm_email_change(&newer),
            );
            assert_eq!(error_codes(&first), ["CODE_EXPIRED"], "{first}");
            assert_eq!(second["user"]["email"], both.as_str(), "{second}");
        }
    }

    /// Two changes of one profile that meet both last.
    async fn concurrent_changes_to_two_fields_both_persist(deployment: Deployment) {
        let app = deployment.start().await;
        let client = app.with_token(&app.sign_up(ADA).await.access);
        for round in 0..10 {
            let (phone, company) = (format!("+44 {round}"), format!("Engines {round}"));
            let _: (Value, Value) = tokio::join!(
                client.update_me(json!({ "phone": &phone })),
                client.update_me(json!({ "company": &company })),
            );
            let me = client.run("{ me { phone company } }", json!({})).await["me"].clone();
            assert_eq!(me, json!({ "phone": phone, "company": company }));
        }
    }
}

const CHANGE: &str = "mutation($old: String, $new: String!) {
    changePassword(input: { currentPassword: $old, newPassword: $new }) { errors { code } } }";

/// A reset link, whoever mails it.
async fn reset_token(client: &Client, deployment: &Deployment) -> String {
    let requested = client.request_password_reset(ADA).await;
    assert_eq!(requested["errors"], json!([]), "{requested}");
    deployment.derived_reset_token(ADA).await
}

/// Holds the row of an account on PostgreSQL, so that whoever changes it waits.
struct HeldAccount {
    holder: DatabaseConnection,
    watcher: DatabaseConnection,
}

impl HeldAccount {
    async fn hold(deployment: &Deployment) -> Self {
        let (holder, watcher) = (deployment.database().await, deployment.database().await);
        holder.execute_unprepared("BEGIN").await.unwrap();
        let hold = format!("SELECT 1 FROM users WHERE email = '{ADA}' FOR UPDATE");
        holder.execute_unprepared(&hold).await.unwrap();
        Self { holder, watcher }
    }

    /// Starts something, and waits until so many wait for a row.
    async fn start<T: Send + 'static>(
        &self,
        waiting: i64,
        what: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let started = tokio::spawn(what);
        eventually("somebody to wait for a row", async || {
            let statement = sea_orm::Statement::from_string(
                self.watcher.get_database_backend(),
                "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            );
            let row = self.watcher.query_one_raw(statement).await.unwrap()?;
            (row.try_get_by_index::<i64>(0).unwrap() == waiting).then_some(())
        })
        .await;
        started
    }

    /// Runs a statement and lets go.
    async fn let_go(self, last: &str) {
        self.holder.execute_unprepared(last).await.unwrap();
        self.holder.execute_unprepared("COMMIT").await.unwrap();
    }
}

/// A change of the password that has compared the old one waits while the password is dropped and
/// the session ended, as when the owner proves the address: it must not set its own after that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_change_does_not_restore_a_dropped_password() {
    let deployment = Deployment::clustered().await;
    let app = deployment.start().await;
    app.register_verified(ADA, PASSWORD).await;
    for (last, dropped) in [
        ("UPDATE sessions SET revoked_at = now()", false),
        ("UPDATE users SET password_hash = NULL", true),
    ] {
        let client = app.with_token(&app.log_in(ADA).await.access);
        let account = HeldAccount::hold(&deployment).await;
        let change = account
            .start(1, async move {
                client.change_password(Some(PASSWORD), OTHER_PASSWORD).await
            })
            .await;
        account.let_go(last).await;
        assert_error(
            &change.await.unwrap(),
            "INVALID_CREDENTIALS",
            "currentPassword",
        );
        assert_error(
            &app.login(ADA, OTHER_PASSWORD).await,
            "INVALID_CREDENTIALS",
            "",
        );
        if !dropped {
            app.password_login(ADA, PASSWORD).await;
        }
    }
}

/// A login by code that meets a reset, a change of address or a deletion is let in or refused;
/// the two never wait for each other until the database ends one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_login_and_a_change_do_not_deadlock() {
    let deployment = Deployment::clustered().await;
    for change in ["reset", "address", "deletion", "password"] {
        let app = deployment.start_with(UNLIMITED).await.allow_unread_mail();
        app.register_verified(ADA, PASSWORD).await;
        let client = app.with_token(&app.password_login(ADA, PASSWORD).await.access);
        let token = app.reset_token(ADA).await;
        client.request_email_change("new@example.com").await;
        let code = app.code(MailKind::ChangeEmail, "new@example.com").await;
        app.request_login_code(ADA).await;
        let login_code = app.code(MailKind::LoginCode, ADA).await;

        let account = HeldAccount::hold(&deployment).await;
        let other = account
            .start(1, async move {
                match change {
                    "reset" => client.reset_password(&token, OTHER_PASSWORD).await,
                    "address" => client.confirm_email_change(&code).await,
                    "deletion" => client.delete_me(ADA).await,
                    _ => client.change_password(Some(PASSWORD), OTHER_PASSWORD).await,
                }
            })
            .await;
        let visitor = app.with_ip("127.0.0.2");
        let login = account
            .start(2, async move {
                visitor.verify_login_code(ADA, &login_code).await
            })
            .await;
        account.let_go("SELECT 1").await;
        assert_eq!(other.await.unwrap()["errors"], json!([]), "{change}");
        // The code of an account that is gone has no tries left.
        let refusal = if change == "deletion" {
            "TOO_MANY_ATTEMPTS"
        } else {
            "INVALID_CODE"
        };
        assert_error(&login.await.unwrap(), refusal, "code");
        deployment.execute("DELETE FROM users").await;
    }
}
