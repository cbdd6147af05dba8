//! `gatelodge user`, run while servers use the same databases.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::accounts::PASSWORD;
use crate::support::client::assert_error;
use crate::support::deployment::Deployment;
use crate::support::jwt::Jwt;
use crate::support::rejected_tokens::{
    assert_access_token_rejected, assert_refresh_token_rejected,
};
use crate::support::{on_both_deployments, process};

const ADA: &str = "ada@example.com";

/// Runs a command. Returns its standard output as JSON, or its standard error if it failed.
async fn user(deployment: &Deployment, arguments: &[&str]) -> Result<Value, String> {
    let directory = TempDir::new().unwrap();
    let mut command = process::command(directory.path(), &deployment.variables(&[]));
    command.arg("user").args(arguments);
    let output = process::output(command).await;
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

on_both_deployments! {
    /// The email address of a new user is verified; the user logs in by code.
    async fn a_user_is_created(deployment: Deployment) {
        let app = deployment.start().await;
        let created = user(&deployment, &["create", "Ada@Example.com", "--name", "Ada"]).await.unwrap();
        assert_eq!((&created["email"], &created["name"]), (&json!(ADA), &json!("Ada")));
        assert_eq!((&created["isActive"], &created["isSuperuser"]), (&json!(true), &json!(false)));
        app.request_login_code(ADA).await;
        let code = app.code(MailKind::LoginCode, ADA).await;
        let session = app.verify_login_code(ADA, &code).await["session"].clone();
        assert_eq!(session["user"]["id"], created["id"]);
        assert_eq!(session["user"]["emailVerified"], true);
        assert_eq!(session["user"]["hasPassword"], false);

        for (arguments, expected) in [
            (["create", ADA, "--name", "Eve"], "already an account with this email address"),
            (["create", "nonsense", "--name", "Eve"], "not a valid email address"),
            (["create", "eve@example.com", "--name", " "], "name"),
        ] {
            let error = user(&deployment, &arguments).await.unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        for command in ["promote", "demote", "disable", "enable"] {
            let error = user(&deployment, &[command, "nobody@example.com"]).await.unwrap_err();
            assert!(error.contains("no account with this email address"), "{error}");
        }
    }

    /// Promotion and demotion revoke all sessions, because their tokens contain the old roles.
    async fn a_user_is_promoted_and_demoted(deployment: Deployment) {
        let app = deployment.start().await;
        let mut tokens = app.sign_up(ADA).await;
        for (command, is_superuser, roles) in [
            ("promote", true, json!(["superuser"])),
            ("demote", false, json!([])),
        ] {
            assert_eq!(app.with_token(&tokens.access).me().await["email"], ADA);
            let changed = user(&deployment, &[command, "ADA@example.com"]).await.unwrap();
            assert_eq!(changed["isSuperuser"], is_superuser);
            assert_access_token_rejected(&app, &tokens.access, "REVOKED").await;
            assert_refresh_token_rejected(&app, &tokens.refresh).await;
            tokens = app.log_in(ADA).await;
            let me = app.with_token(&tokens.access).run("{ me { isSuperuser } }", json!({})).await;
            assert_eq!(me["me"]["isSuperuser"], is_superuser);
            assert_eq!(Jwt::read(&tokens.access).claims["roles"], roles);
        }
    }

    /// An unverified email address may belong to someone else.
    async fn an_unverified_user_is_not_promoted(deployment: Deployment) {
        let app = deployment.start().await;
        app.register(ADA, PASSWORD).await;
        app.mail(MailKind::VerifyEmail, ADA).await;
        let error = user(&deployment, &["promote", ADA]).await.unwrap_err();
        assert!(error.contains("must be verified first"), "{error}");
        let me = app.with_token(&app.password_login(ADA, PASSWORD).await.access);
        let me = me.run("{ me { isSuperuser } }", json!({})).await;
        assert_eq!(me["me"]["isSuperuser"], false);
    }

    /// The sessions of a disabled user are rejected by every process, including those that have them
    /// in their cache, and stay revoked when the user is enabled again.
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
        let disabled = user(&deployment, &["disable", ADA]).await.unwrap();
        assert_eq!(disabled["isActive"], false);
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

        let enabled = user(&deployment, &["enable", ADA]).await.unwrap();
        assert_eq!(enabled["isActive"], true);
        assert_access_token_rejected(&here, &first.access, "REVOKED").await;
        let again = there.password_login(ADA, PASSWORD).await;
        assert_eq!(here.with_token(&again.access).sessions().await.len(), 1);
    }
}

/// A command that revokes sessions waits for Redis and says so, because until then other processes
/// may accept the sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_waits_while_redis_hangs() {
    let deployment = Deployment::with_own_redis().await;
    let app = deployment.start().await;
    let tokens = app.sign_up(ADA).await;
    let redis = deployment.redis_server();
    assert_eq!(app.with_token(&tokens.access).me().await["email"], ADA);
    redis.pause();
    let directory = TempDir::new().unwrap();
    let mut command = process::command(directory.path(), &deployment.variables(&[]));
    command.args(["user", "disable", ADA]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut message = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    lines.read_line(&mut message).unwrap();
    let expected = "still waiting: without Redis";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(deployment.count("users WHERE NOT is_active").await, 1);
    assert_eq!(child.try_wait().unwrap(), None);
    redis.resume();
    assert!(child.wait().unwrap().success());
    assert_access_token_rejected(&app, &tokens.access, "REVOKED").await;
}
