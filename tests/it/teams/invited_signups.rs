//! Joining a team while signing up: the account and the membership are made once the address is
//! proved, together, and not before.

use chrono::Duration;
use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{CHALLENGE, Client, SESSION, assert_error};
use crate::support::deployment::Deployment;
use crate::support::jwt::Jwt;
use crate::support::on_both_deployments;
use crate::support::team::NO_LIMITS;

const NEW: &str = "new@example.com";
const PASSWORD: &str = "plover-quartz-41-dinghy";

async fn request_code(app: &Client, email: &str, token: &str) -> Value {
    let input = json!({ "email": email, "name": "New", "invitationToken": token });
    app.mutate("requestSignupCode", input, CHALLENGE).await
}

async fn register(app: &Client, email: &str, token: &str) -> Value {
    let input = json!({ "email": email, "password": PASSWORD, "firstName": "New", "lastName": "One",
        "invitationToken": token });
    app.mutate("register", input, "user { id }").await
}

async fn verify_email(app: &Client, email: &str, code: &str) -> Value {
    let input = json!({ "email": email, "code": code });
    app.mutate("verifyEmail", input, "user { id }").await
}

async fn memberships(deployment: &Deployment) -> i64 {
    deployment
        .count(
            "team_members JOIN users ON users.id = team_members.user_id
            WHERE email = 'new@example.com'",
        )
        .await
}

async fn open_invitations(deployment: &Deployment) -> i64 {
    deployment
        .count("invitations WHERE accepted_at IS NULL AND revoked_at IS NULL")
        .await
}

/// The tokens that a sign-up must not take: their names, with the error and field of each.
async fn refused_tokens(app: &TestApp, deployment: &Deployment) {
    let ada = app.user("ada@example.com").await;
    let team = ada.create_team("Engines").await;
    let others = app
        .invite_by_email(&ada, &team, "other@example.com", "MEMBER")
        .await;
    for answer in [
        request_code(app, NEW, &others).await,
        register(app, NEW, &others).await,
    ] {
        assert_error(&answer, "INVITATION_EMAIL_MISMATCH", "invitationToken");
    }
    for answer in [
        request_code(app, NEW, "never").await,
        register(app, NEW, "never").await,
    ] {
        assert_error(&answer, "INVALID_TOKEN", "invitationToken");
    }
    assert_eq!(deployment.count("users").await, 1);
    let codes = "verification_codes WHERE email = 'new@example.com'";
    assert_eq!(deployment.count(codes).await, 0);
}

on_both_deployments! {
    /// With a code: nothing is made before it is verified, and everything then.
    async fn a_code_creates_account_and_membership_together(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        let token = app.invite_by_email(&ada, &team, NEW, "ADMIN").await;
        let requested = request_code(&app, NEW, &token).await;
        assert_eq!(requested["errors"], json!([]));
        let code = app.code(MailKind::SignupCode, NEW).await;
        assert_eq!(deployment.count("users").await, 1);
        assert_eq!(deployment.count("team_members").await, 1);
        assert_eq!(open_invitations(&deployment).await, 1);

        let wrong = crate::support::flow::wrong_code(&code, 0);
        assert_error(&app.verify_signup_code(NEW, &wrong).await, "INVALID_CODE", "code");
        assert_eq!(deployment.count("users").await, 1);
        let session = app.verify_signup_code(NEW, &code).await["session"].clone();
        let access = session["accessToken"].as_str().unwrap();
        assert_eq!(Jwt::read(access).claims["teams"], json!([{ "id": team, "role": "ADMIN" }]));
        assert_eq!(app.with_token(access).team(&team).await["viewerRole"], "ADMIN");
        assert_eq!(memberships(&deployment).await, 1);
        assert_eq!(open_invitations(&deployment).await, 0);
        assert_eq!(app.preview(&token).await, Value::Null);
    }

    /// With a password: the membership waits until the address is proved.
    async fn a_registered_user_joins_once_the_address_is_verified(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        let token = app.invite_by_email(&ada, &team, NEW, "MEMBER").await;
        let registered = register(&app, NEW, &token).await;
        assert_eq!(registered["errors"], json!([]));
        let code = app.code(MailKind::VerifyEmail, NEW).await;
        let input = json!({ "email": NEW, "password": PASSWORD });
        let session = app.mutate("login", input, SESSION).await["session"].clone();
        let new = app.with_token(session["accessToken"].as_str().unwrap());
        assert!(new.teams().await.is_empty());
        assert_eq!(memberships(&deployment).await, 0);
        assert_eq!(open_invitations(&deployment).await, 1);

        let verified = verify_email(&app, NEW, &code).await;
        assert_eq!(verified["errors"], json!([]));
        assert_eq!(new.team(&team).await["viewerRole"], "MEMBER");
        assert_eq!(open_invitations(&deployment).await, 0);
    }

    /// A code that came too late does not cost the invitation: the next one carries it on.
    async fn a_second_code_keeps_the_invitation(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        let token = app.invite_by_email(&ada, &team, NEW, "MEMBER").await;
        register(&app, NEW, &token).await;
        app.code(MailKind::VerifyEmail, NEW).await;
        let input = json!({ "email": NEW, "password": PASSWORD });
        let session = app.mutate("login", input, SESSION).await["session"].clone();
        let new = app.with_token(session["accessToken"].as_str().unwrap());
        let again = "mutation { requestEmailVerification { errors { code } } }";
        let again = new.run(again, json!({})).await;
        assert_eq!(again["requestEmailVerification"]["errors"], json!([]));
        let code = app.code(MailKind::VerifyEmail, NEW).await;
        assert_eq!(verify_email(&app, NEW, &code).await["errors"], json!([]));
        assert_eq!(new.team(&team).await["viewerRole"], "MEMBER");
    }

    /// A sign-up takes no token but a live one for its own address, and then makes nothing.
    async fn a_token_for_another_address_is_rejected(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        refused_tokens(&app, &deployment).await;
    }

    /// The same where existence is not told.
    async fn without_hints_all_rejected_tokens_look_alike(deployment: Deployment) {
        let settings = [NO_LIMITS, &[("ACCOUNT_EXISTENCE_HINTS", "false")]].concat();
        let app = deployment.start_with(&settings).await;
        refused_tokens(&app, &deployment).await;
    }

    /// An invitation that is revoked, or expires, or whose team is deleted while the code is under
    /// way leaves an account without a membership.
    async fn sign_up_works_if_the_invitation_ends_meanwhile(deployment: Deployment) {
        let settings = [
            NO_LIMITS,
            &[("INVITATION_EXPIRATION_HOURS", "1"), ("CODE_EXPIRATION_MINUTES", "60")],
        ];
        let app = deployment.start_with(&settings.concat()).await;
        let ada = app.user("ada@example.com").await;
        for end in ["revoked", "expired", "team deleted", "inviter gone"] {
            let by_code = format!("code-{}@example.com", end.replace(' ', "-"));
            let by_password = format!("password-{}@example.com", end.replace(' ', "-"));
            let inviter = app.user(&format!("inviter-{}@example.com", end.replace(' ', "-"))).await;
            let team = ada.create_team("Engines").await;
            app.add_member(&ada, &team, &inviter, "ADMIN").await;
            let tokens = [&by_code, &by_password].map(|email| app.invite_by_email(&inviter, &team, email, "MEMBER"));
            let [first, second] = tokens;
            let (first, second) = (first.await, second.await);
            if end == "expired" {
                deployment.clock.advance(Duration::minutes(30));
            }
            assert_eq!(request_code(&app, &by_code, &first).await["errors"], json!([]));
            assert_eq!(register(&app, &by_password, &second).await["errors"], json!([]));
            let code = app.code(MailKind::SignupCode, &by_code).await;
            let proof = app.code(MailKind::VerifyEmail, &by_password).await;
            match end {
                "revoked" => {
                    for invitation in inviter.team(&team).await["invitations"]["nodes"].as_array().unwrap() {
                        let revoked = ada.revoke(invitation["id"].as_str().unwrap()).await;
                        assert_eq!(revoked["errors"], json!([]));
                    }
                }
                "expired" => deployment.clock.advance(Duration::minutes(30)),
                "team deleted" => drop(ada.delete_team(&team).await),
                _ => drop(inviter.delete_account().await),
            }
            let verified = app.verify_signup_code(&by_code, &code).await;
            assert_ne!(verified["session"], Value::Null, "{end}: {verified}");
            let verified = verify_email(&app, &by_password, &proof).await;
            assert_eq!(verified["errors"], json!([]), "{end}");
            let joined = format!(
                "team_members JOIN users ON users.id = user_id WHERE email IN ('{by_code}', '{by_password}')"
            );
            assert_eq!(deployment.count(&joined).await, 0, "{end}");
        }
    }

    /// An address that has an account joins by accepting; signing up tells that it is taken, and
    /// the invitation stays open.
    async fn a_taken_address_keeps_its_invitation(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        let token = app.invite_by_email(&ada, &team, NEW, "MEMBER").await;
        let new = app.user(NEW).await;
        for answer in [request_code(&app, NEW, &token).await, register(&app, NEW, &token).await] {
            assert_error(&answer, "EMAIL_TAKEN", "email");
        }
        assert_eq!(new.accept(&token).await["errors"], json!([]));
    }
}
