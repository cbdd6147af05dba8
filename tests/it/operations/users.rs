//! `gatelodge user`: an operator at the real binary, while servers run on the same databases.

use std::io::{BufRead, BufReader};
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::accounts::PASSWORD;
use crate::support::client::{Tokens, assert_error};
use crate::support::deployment::Deployment;
use crate::support::rejected_tokens::{
    assert_access_token_rejected, assert_refresh_token_rejected,
};
use crate::support::{on_both_deployments, process};

const ADA: &str = "ada@example.com";

/// What a command printed on standard output, or else on standard error.
async fn user(deployment: &Deployment, arguments: &[&str]) -> Result<Value, String> {
    let directory = TempDir::new().unwrap();
    let mut command = process::command(directory.path(), &deployment.variables(&[]));
    command.arg("user").args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

on_both_deployments! {
    /// An operator makes an account whose address needs no proof; it logs in by code.
    async fn a_user_is_created(deployment: Deployment) {
        let app = deployment.start().await;
        let made = user(&deployment, &["create", "Ada@Example.com", "--name", "Ada"]).await.unwrap();
        assert_eq!((&made["email"], &made["name"]), (&json!(ADA), &json!("Ada")));
        assert_eq!((&made["isActive"], &made["isSuperuser"]), (&json!(true), &json!(false)));
        app.request_login_code(ADA).await;
        let code = app.code(MailKind::LoginCode, ADA).await;
        let session = app.verify_login_code(ADA, &code).await["session"].clone();
        assert_eq!(session["user"]["id"], made["id"]);
        assert_eq!(session["user"]["emailVerified"], true);
        assert_eq!(session["user"]["hasPassword"], false);

        for (arguments, told) in [
            (["create", ADA, "--name", "Eve"], "already an account with this email address"),
            (["create", "nonsense", "--name", "Eve"], "not a valid email address"),
            (["create", "eve@example.com", "--name", " "], "name"),
        ] {
            let error = user(&deployment, &arguments).await.unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        for command in ["promote", "demote", "disable", "enable"] {
            let error = user(&deployment, &[command, "nobody@example.com"]).await.unwrap_err();
            assert!(error.contains("no account with this email address"), "{error}");
        }
    }

    /// The first superuser is made here; a new session says so, and old ones, which say otherwise,
    /// end.
    async fn a_user_is_promoted_and_demoted(deployment: Deployment) {
        let app = deployment.start().await;
        let mut tokens = app.sign_up(ADA).await;
        for (command, is_superuser, roles) in [
            ("promote", true, json!(["superuser"])),
            ("demote", false, json!([])),
        ] {
            assert_eq!(app.with_token(&tokens.access).me().await["email"], ADA);
            let done = user(&deployment, &[command, "ADA@example.com"]).await.unwrap();
            assert_eq!(done["isSuperuser"], is_superuser);
            assert_access_token_rejected(&app, &tokens.access, "REVOKED").await;
            assert_refresh_token_rejected(&app, &tokens.refresh).await;
            tokens = app.log_in(ADA).await;
            let me = app.with_token(&tokens.access).run("{ me { isSuperuser } }", json!({})).await;
            assert_eq!(me["me"]["isSuperuser"], is_superuser);
            assert_eq!(claims(&tokens.access)["roles"], roles);
        }
    }

    /// An address that was never proved may be somebody else's than the operator means.
    async fn an_unverified_user_is_not_promoted(deployment: Deployment) {
        let app = deployment.start().await;
        app.register(ADA, "violet kettle 43").await;
        app.mail(MailKind::VerifyEmail, ADA).await;
        let refusal = user(&deployment, &["promote", ADA]).await.unwrap_err();
        assert!(refusal.contains("must be verified first"), "{refusal}");
        let me = app.with_token(&app.password_login(ADA, "violet kettle 43").await.access);
        let me = me.run("{ me { isSuperuser } }", json!({})).await;
        assert_eq!(me["me"]["isSuperuser"], false);
    }

    /// A disabled account is out on the very next request to every process, also where it was
    /// just found alive, and stays out until it is enabled; its old sessions stay dead then.
    async fn a_disabled_user_is_signed_out_at_once(deployment: Deployment) {
        let (here, there) = (deployment.start().await, deployment.start().await.allow_unread_mail());
        let here = here.allow_unread_mail();
        here.register(ADA, PASSWORD).await;
        here.register("grace@example.com", PASSWORD).await;
        let (first, second) = (here.password_login(ADA, PASSWORD).await, there.password_login(ADA, PASSWORD).await);
        let grace = here.password_login("grace@example.com", PASSWORD).await;
        for app in [&here, &there] {
            for tokens in [&first, &second, &grace] {
                assert_eq!(app.with_token(&tokens.access).me().await["id"], tokens.user_id.as_str());
            }
        }
        here.request_login_code(ADA).await;
        let code = deployment.derived_code("login", ADA).await;
        let done = user(&deployment, &["disable", ADA]).await.unwrap();
        assert_eq!(done["isActive"], false);
        for app in [&here, &there] {
            for tokens in [&first, &second] {
                assert_access_token_rejected(app, &tokens.access, "REVOKED").await;
                assert_refresh_token_rejected(app, &tokens.refresh).await;
            }
            assert_eq!(app.with_token(&grace.access).sessions().await.len(), 1);
        }
        assert_error(&here.login(ADA, PASSWORD).await, "ACCOUNT_DISABLED", "");
        assert_error(&here.login(ADA, "wrong").await, "INVALID_CREDENTIALS", "");
        assert_error(&there.verify_login_code(ADA, &code).await, "ACCOUNT_DISABLED", "");

        let done = user(&deployment, &["enable", ADA]).await.unwrap();
        assert_eq!(done["isActive"], true);
        assert_access_token_rejected(&here, &first.access, "REVOKED").await;
        let again: Tokens = there.password_login(ADA, PASSWORD).await;
        assert_eq!(here.with_token(&again.access).sessions().await.len(), 1);
    }
}

fn claims(token: &str) -> Value {
    use base64::Engine;
    let part = token.split('.').nth(1).unwrap();
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// An operator's command that cannot reach Redis waits for it: when it says that an account is
/// disabled, no process takes it for alive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_waits_while_redis_hangs() {
    let deployment = Deployment::with_own_redis().await;
    let app = deployment.start().await;
    let tokens = app.sign_up(ADA).await;
    let redis = deployment.redis_server();
    assert_eq!(app.with_token(&tokens.access).me().await["email"], ADA);
    redis.pause();
    let arguments = ["disable", ADA];
    let mut disabling = pin!(user(&deployment, &arguments));
    // Far longer than one call to Redis may take.
    let waited = tokio::time::timeout(Duration::from_secs(2), &mut disabling).await;
    assert!(waited.is_err(), "{waited:?}");
    assert_eq!(deployment.count("users WHERE NOT is_active").await, 1);
    redis.resume();
    let done = disabling.await;
    assert_eq!(done.unwrap()["isActive"], false);
    assert_access_token_rejected(&app, &tokens.access, "REVOKED").await;
}

/// A command that waits says why, instead of leaving its operator to guess.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_command_says_why() {
    let deployment = Deployment::with_own_redis().await;
    deployment.start().await.sign_up(ADA).await;
    let redis = deployment.redis_server();
    redis.pause();
    let directory = TempDir::new().unwrap();
    let mut command = process::command(directory.path(), &deployment.variables(&[]));
    command.args(["user", "disable", ADA]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    lines.read_line(&mut told).unwrap();
    redis.resume();
    assert!(told.starts_with("still waiting: without Redis"), "{told}");
    assert!(child.wait().unwrap().success());
}
