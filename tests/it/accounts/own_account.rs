//! The own account: profile, sessions and deletion.

use chrono::{DateTime, Duration, Utc};
use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use crate::support::accounts::PASSWORD;
use crate::support::client::{Client, Response, Tokens, assert_error, error_codes_and_fields};
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::rejected_tokens::{
    assert_access_token_rejected, assert_refresh_token_rejected,
};

const ADA: &str = "ada@example.com";
const REVOKE_OTHERS: &str = "mutation { revokeOtherSessions { endedSessionIds errors { code } } }";

/// Signs in under another name of the client.
async fn sign_in_as(client: &Client, agent: &str) -> Tokens {
    let query = "mutation($e: String!, $p: String!) { login(input: { email: $e, password: $p }) {
        session { accessToken refreshToken user { id } } errors { code } } }";
    let request = client.request(reqwest::Method::POST, "/graphql");
    let body = json!({ "query": query, "variables": { "e": ADA, "p": PASSWORD } });
    let answer = Response::of(request.header("user-agent", agent).json(&body)).await;
    Tokens::of(&answer.json()["data"]["login"]["session"])
}

fn id(session: &Value) -> &str {
    session["id"].as_str().unwrap()
}

fn last_used_at(session: &Value) -> DateTime<Utc> {
    session["lastUsedAt"].as_str().unwrap().parse().unwrap()
}

on_both_deployments! {
    /// A field that is left out stays, null empties it; what is wrong is told by field, and then
    /// nothing changes.
    async fn a_profile_is_changed_field_by_field(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, PASSWORD).await;
        let client = app.with_token(&app.password_login(ADA, PASSWORD).await.access);
        let first = client.update_me(json!({ "phone": " +44  20 ", "company": "Engines" })).await;
        let user = &first["user"];
        assert_eq!((&user["phone"], &user["company"]), (&json!("+44 20"), &json!("Engines")));
        assert_eq!((&user["name"], &user["firstName"]), (&json!("Ada Lovelace"), &json!("Ada")));
        let second = client.update_me(json!({
            "name": "Countess", "phone": null, "lastName": "  ", "firstName": "Augusta Ada",
        })).await;
        let user = &second["user"];
        for (field, value) in [
            ("name", json!("Countess")), ("phone", json!(null)), ("lastName", json!(null)),
            ("firstName", json!("Augusta Ada")), ("company", json!("Engines")), ("email", json!(ADA)),
        ] {
            assert_eq!(user[field], value, "{field}");
        }
        let long = "x".repeat(121);
        let bad = client.update_me(json!({
            "name": " ", "firstName": &long, "phone": &long, "company": "a\u{7}", "lastName": "B",
        })).await;
        let expected = [
            ("INVALID_NAME", "name"), ("INVALID_INPUT", "firstName"), ("INVALID_INPUT", "phone"),
            ("INVALID_INPUT", "company"),
        ].map(|(code, field)| (code.to_owned(), field.to_owned()));
        assert_eq!(error_codes_and_fields(&bad), expected);
        let unchanged = client.update_me(json!({ "name": null })).await;
        assert_eq!(unchanged["user"]["name"], "Countess");
        assert_eq!(unchanged["user"]["lastName"], Value::Null);
        let unsigned = app.post("mutation { updateMe(input: {}) { errors { code } } }", json!({})).await;
        assert_eq!(unsigned.code(), "UNAUTHENTICATED");
    }

    /// Sessions are listed newest first with what the client called itself, the current one
    /// marked; ended and expired ones are not.
    async fn live_sessions_are_listed(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, PASSWORD).await;
        let phone = sign_in_as(&app, "phone/1.0").await;
        app.clock.advance(Duration::seconds(1));
        let long = format!("laptop {}", "x".repeat(400));
        let laptop = sign_in_as(&app.with_ip("127.0.0.9"), &long).await;
        app.clock.advance(Duration::seconds(1));
        let ended = sign_in_as(&app, "ended").await;
        app.with_token(&ended.access).run("mutation { logout { endedSessionId } }", json!({})).await;
        app.sign_up("grace@example.com").await;

        let listed = app.with_token(&phone.access).sessions().await;
        let facts: Vec<_> = listed
            .iter()
            .map(|s| (s["userAgent"].as_str().unwrap(), s["ipAddress"].as_str().unwrap(), s["isCurrent"] == true))
            .collect();
        let long = &long[..256];
        assert_eq!(facts, [(long, "127.0.0.9", false), ("phone/1.0", "127.0.0.1", true)]);
        let listed = app.with_token(&laptop.access).sessions().await;
        assert_eq!(listed[0]["isCurrent"], true);
        assert_eq!(app.post("{ sessions { id } }", json!({})).await.code(), "UNAUTHENTICATED");

        app.clock.advance(Duration::days(59));
        let young = sign_in_as(&app, "young").await;
        app.clock.advance(Duration::days(2));
        assert_eq!(app.with_token(&young.access).sessions().await.len(), 1);
    }

    /// `lastUsedAt` is written at most once a minute.
    async fn last_use_is_recorded_at_most_once_a_minute(deployment: Deployment) {
        let app = deployment.start().await;
        let client = app.with_token(&app.sign_up(ADA).await.access);
        let begun = last_used_at(&client.sessions().await[0]);
        app.clock.advance(Duration::seconds(55));
        deployment.forget_cache().await;
        assert_eq!(last_used_at(&client.sessions().await[0]), begun);
        app.clock.advance(Duration::seconds(6));
        deployment.forget_cache().await;
        let seen = last_used_at(&client.sessions().await[0]);
        assert!(seen >= begun + Duration::seconds(60), "{begun} {seen}");
        app.clock.advance(Duration::seconds(30));
        deployment.forget_cache().await;
        assert_eq!(last_used_at(&client.sessions().await[0]), seen);
    }

    /// One's own session can be ended once; another's, one that never was and nonsense all get
    /// the same answer.
    async fn only_own_sessions_can_be_revoked(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, PASSWORD).await;
        let (own, other) = (app.password_login(ADA, PASSWORD).await, app.password_login(ADA, PASSWORD).await);
        let client = app.with_token(&own.access);
        let grace = app.sign_up("grace@example.com").await;
        let foreign = app.with_token(&grace.access).sessions().await;
        let never = "01a20064-1a8a-71dd-8fe2-3daeca247c1d";
        let mut answers = Vec::new();
        for id in [id(&foreign[0]), never, "", "nonsense", &own.user_id] {
            let answer = client.revoke_session(id).await;
            assert_error(&answer, "NOT_FOUND", "sessionId");
            answers.push(answer.to_string());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(app.with_token(&grace.access).sessions().await.len(), 1);

        let listed = client.sessions().await;
        let session = listed.iter().find(|session| session["isCurrent"] == false).unwrap();
        assert_eq!(client.revoke_session(id(session)).await["endedSessionId"], id(session));
        assert_access_token_rejected(&app, &other.access, "REVOKED").await;
        assert_refresh_token_rejected(&app, &other.refresh).await;
        assert_error(&client.revoke_session(id(session)).await, "NOT_FOUND", "sessionId");
        let current = listed.iter().find(|session| session["isCurrent"] == true).unwrap();
        assert_eq!(client.revoke_session(id(current)).await["endedSessionId"], id(current));
        assert_access_token_rejected(&app, &own.access, "REVOKED").await;
    }

    /// All other sessions end at once, on every process, and nobody else's do.
    async fn other_sessions_are_revoked_together(deployment: Deployment) {
        let (here, there) = (deployment.start().await, deployment.start().await.allow_unread_mail());
        let here = here.allow_unread_mail();
        here.register(ADA, PASSWORD).await;
        here.register("grace@example.com", PASSWORD).await;
        let own = here.password_login(ADA, PASSWORD).await;
        let grace = here.password_login("grace@example.com", PASSWORD).await;
        let others = [there.password_login(ADA, PASSWORD).await, here.password_login(ADA, PASSWORD).await];
        for tokens in &others {
            assert_eq!(there.with_token(&tokens.access).me().await["email"], ADA);
        }
        let client = here.with_token(&own.access);
        let ended = client.run(REVOKE_OTHERS, json!({})).await["revokeOtherSessions"].clone();
        assert_eq!(ended["endedSessionIds"].as_array().unwrap().len(), 2, "{ended}");
        for tokens in &others {
            assert_access_token_rejected(&there, &tokens.access, "REVOKED").await;
            assert_refresh_token_rejected(&there, &tokens.refresh).await;
        }
        assert_eq!(client.sessions().await.len(), 1);
        assert_eq!(there.with_token(&grace.access).sessions().await.len(), 1);
        let again = client.run(REVOKE_OTHERS, json!({})).await["revokeOtherSessions"].clone();
        assert_eq!(again, json!({ "endedSessionIds": [], "errors": [] }));
    }

    /// Deleting an account erases what is known of the person, in every table; its tokens are
    /// dead, mails on their way to it are not sent, and the address is free.
    async fn a_deleted_account_leaves_nothing_personal(deployment: Deployment) {
        let app = deployment.start_with(&[("MAX_CODE_REQUESTS_PER_HOUR", "20")]).await;
        app.request_signup_code(ADA, "Ada Lovelace").await;
        app.code(MailKind::SignupCode, ADA).await;
        let tokens = app.sign_up(ADA).await;
        let client = app.with_token(&tokens.access);
        client.update_me(json!({ "phone": "+44 20 7946", "company": "Engines" })).await;
        let other = app.log_in(ADA).await;
        app.request_login_code(ADA).await;
        app.code(MailKind::LoginCode, ADA).await;
        client.request_email_change("new@example.com").await;
        app.code(MailKind::ChangeEmail, "new@example.com").await;
        app.mail(MailKind::EmailChanged, ADA).await;
        // One that is still to be sent.
        let later = "UPDATE outbox_mails SET state = 'pending', sent_at = NULL, \
                     next_attempt_at = '2999-01-01 00:00:00+00:00' WHERE kind = 'login_code'";
        assert!(deployment.execute(later).await > 0);
        app.sign_up("grace@example.com").await;

        for wrong in ["", "grace@example.com", "nonsense"] {
            assert_error(&client.delete_me(wrong).await, "INVALID_INPUT", "confirmEmail");
        }
        assert_eq!(app.with_token(&other.access).me().await["email"], ADA);
        let deleted = client.delete_me("ADA@example.com").await;
        assert_eq!(deleted["deletedUserId"], tokens.user_id.as_str(), "{deleted}");
        for dead in [&tokens, &other] {
            assert_access_token_rejected(&app, &dead.access, "REVOKED").await;
            assert_refresh_token_rejected(&app, &dead.refresh).await;
        }

        for (table, rows) in [("users", 1), ("sessions", 1), ("verification_codes", 1)] {
            assert_eq!(deployment.count(table).await, rows, "{table}: Grace's only");
        }
        let grace = "recipient <> 'grace@example.com'";
        for (what, condition) in [
            ("pending", format!("{grace} AND state = 'pending'")),
            ("recipient", format!("{grace} AND recipient <> 'erased'")),
            ("account", format!("{grace} AND user_id IS NOT NULL")),
            ("params", format!("{grace} AND CAST(params AS TEXT) <> '{{}}'")),
        ] {
            assert_eq!(deployment.count(&format!("outbox_mails WHERE {condition}")).await, 0, "{what}");
        }
        assert!(deployment.count("outbox_mails WHERE state = 'cancelled'").await > 0);

        let again = app.sign_up(ADA).await;
        assert_ne!(again.user_id, tokens.user_id);
        let me = app.with_token(&again.access).run("{ me { phone company } }", json!({})).await;
        assert_eq!(me["me"], json!({ "phone": null, "company": null }));
    }
}

impl Deployment {
    /// Takes what is cached away, as time does.
    async fn forget_cache(&self) {
        if let Some(redis) = &self.redis {
            redis.flush().await;
        }
    }
}

/// A session that ends at one process is dead on the next request of the other: while it was just
/// found alive there, while Redis is away, and once Redis is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_session_stays_revoked_with_and_without_redis() {
    let deployment = Deployment::with_own_redis().await;
    let here = deployment.start().await.allow_unread_mail();
    let there = deployment.start().await.allow_unread_mail();
    here.register(ADA, PASSWORD).await;
    let own = here.password_login(ADA, PASSWORD).await;
    let client = here.with_token(&own.access);
    for phase in ["with Redis", "without Redis", "after Redis"] {
        match phase {
            "without Redis" => deployment.redis_server().kill(),
            "after Redis" => deployment.redis_server().restart().await,
            _ => {}
        }
        let other = there.password_login(ADA, PASSWORD).await;
        assert_eq!(
            there.with_token(&other.access).me().await["email"],
            ADA,
            "{phase}"
        );
        let listed = client.sessions().await;
        assert_eq!(listed.len(), 2, "{phase}");
        let session = listed
            .iter()
            .find(|session| session["isCurrent"] == false)
            .unwrap();
        let ended = client.revoke_session(id(session)).await;
        assert_eq!(ended["endedSessionId"], id(session), "{phase}");
        assert_access_token_rejected(&there, &other.access, "REVOKED").await;
        assert_access_token_rejected(&here, &other.access, "REVOKED").await;
        assert_eq!(
            there.with_token(&own.access).me().await["email"],
            ADA,
            "{phase}"
        );
    }
}
