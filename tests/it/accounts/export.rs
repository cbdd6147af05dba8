//! `gatelodge user export`: a person gets everything that is held about them.

use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::accounts::PASSWORD;
use crate::support::deployment::Deployment;
use crate::support::{on_both_deployments, process};

const ADA: &str = "ada@example.com";
const GRACE: &str = "grace@example.com";

/// What the command printed on standard output, or else on standard error.
async fn export(deployment: &Deployment, arguments: &[&str]) -> Result<String, String> {
    let mut command = process::command(deployment.path(), &deployment.variables(&[]));
    command.args(["user", "export"]).args(arguments);
    let output = process::output(command).await;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

async fn exported(deployment: &Deployment, email: &str) -> Value {
    serde_json::from_str(&export(deployment, &[email]).await.unwrap()).unwrap()
}

/// The values of a field in a list.
fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    let list = list.as_array().unwrap().iter();
    list.map(|item| item[field].as_str().unwrap()).collect()
}

on_both_deployments! {
    /// The record has the account with its profile, its sessions, teams, invitations, mails and
    /// codes; nothing of another person's account; and no code, token, password or hash.
    async fn an_export_is_complete_and_has_no_secrets(deployment: Deployment) {
        let app = deployment.start().await.allow_unread_mail();
        let ada = app.user(ADA).await;
        let grace = app.user(GRACE).await;
        ada.update_me(json!({ "phone": "+44 20 7946 0000", "company": "Engines & Co" })).await;
        app.request_password_reset(ADA).await;
        let reset = app.mail(MailKind::PasswordReset, ADA).await.link.unwrap();
        let (_, reset) = reset.expose().split_once("?token=").unwrap();
        app.reset_password(reset, PASSWORD).await;
        let ada = app.log_in_again(ada).await;
        let team = ada.create_team("Engines").await;
        app.add_member(&ada, &team, &grace, "ADMIN").await;
        let token = app.invite_by_email(&ada, &team, "mary@example.com", "MEMBER").await;
        app.request_login_code(ADA).await;
        let code = app.code(MailKind::LoginCode, ADA).await;

        let text = export(&deployment, &["Ada@Example.com"]).await.unwrap();
        let record: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(record["email"], ADA);
        let account = &record["account"];
        for (field, value) in [
            ("id", json!(ada.id())),
            ("email", json!(ADA)),
            ("phone", json!("+44 20 7946 0000")),
            ("company", json!("Engines & Co")),
            ("hasPassword", json!(true)),
            ("isActive", json!(true)),
        ] {
            assert_eq!(account[field], value, "{field}: {account}");
        }
        assert!(account["emailVerifiedAt"].is_string() && account["createdAt"].is_string());
        let sessions = record["sessions"].as_array().unwrap();
        assert_eq!(sessions.len(), 2, "{sessions:?}");
        assert_eq!(sessions[0]["revokeReason"], "password_reset");
        assert_eq!(sessions[1]["ipAddress"], "127.0.0.1");
        assert!(sessions[1]["method"].is_string() && sessions[1]["authenticatedAt"].is_string());
        assert_eq!(each(&record["credentials"], "kind"), ["password"]);
        assert_eq!(sessions[1]["userAgent"], "gatelodge-tests");
        assert_eq!(record["memberships"][0]["teamName"], "Engines");
        assert_eq!(record["memberships"][0]["role"], "admin");
        assert_eq!(each(&record["invitationsSent"], "email"), ["mary@example.com"]);
        assert_eq!(record["invitationsReceived"], json!([]));
        let kinds = each(&record["mails"], "kind");
        for kind in ["signup_code", "password_reset", "password_changed", "login_code"] {
            assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
        }
        let purposes = each(&record["codes"], "purpose");
        assert_eq!(purposes, ["signup", "password_reset", "login", "login"]);

        for secret in [&*code, &*token, reset, PASSWORD, &ada.tokens.access, &ada.tokens.refresh] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        for hidden in ["$2b$", "nonce", "passwordHash", "generation", grace.id()] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }

        // Mary has no account; what is held about her address is hers all the same.
        let mary = exported(&deployment, "mary@example.com").await;
        assert_eq!(mary["account"], Value::Null);
        assert_eq!(each(&mary["invitationsReceived"], "teamId"), [&*team]);
        assert_eq!(each(&mary["mails"], "kind"), ["team_invitation"]);
    }

    /// Once an account is erased nothing is held about its address any more.
    async fn a_deleted_user_has_nothing_to_export(deployment: Deployment) {
        let app = deployment.start().await;
        let grace = app.user(GRACE).await;
        let team = grace.create_team("Compilers").await;
        let declined = app.invite_by_email(&grace, &team, ADA, "MEMBER").await;
        app.decline(&declined).await;
        let ada = app.user(ADA).await;
        app.add_member(&grace, &team, &ada, "MEMBER").await;
        assert_eq!(exported(&deployment, ADA).await["account"]["id"], ada.id());
        ada.delete_account().await;
        let refusal = export(&deployment, &[ADA]).await.unwrap_err();
        assert!(refusal.contains("no account with this email address"), "{refusal}");
        let refusal = export(&deployment, &["nonsense"]).await.unwrap_err();
        assert!(refusal.contains("not a valid email address"), "{refusal}");
    }
}

/// A record written to a file is its reader's alone, and no other file is lost for it.
#[cfg(unix)]
#[tokio::test]
async fn an_export_file_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let deployment = Deployment::embedded().await;
    deployment.start().await.user(ADA).await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("ada.json");
    let path = file.to_str().unwrap();
    assert_eq!(
        export(&deployment, &[ADA, "--output", path]).await.unwrap(),
        ""
    );
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = std::fs::read_to_string(&file).unwrap();
    let record: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(record["account"]["email"], ADA);
    let refusal = export(&deployment, &[ADA, "--output", path])
        .await
        .unwrap_err();
    assert!(refusal.contains("ada.json"), "{refusal}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
}
