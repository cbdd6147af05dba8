//! Sessions: refreshed, repeated, stolen and ended.

use chrono::{DateTime, Duration};
use futures::future::join_all;
use gatelodge::testing::app::Role;
use serde_json::{Value, json};

use crate::support::client::Tokens;
use crate::support::deployment::Deployment;
use crate::support::jwt::Jwt;
use crate::support::rejected_tokens::{
    LOGOUT, assert_access_token_rejected, assert_refresh_token_rejected,
};
use crate::support::{eventually, on_both_deployments};

const ADA: &str = "ada@example.com";

fn time(text: &Value) -> DateTime<chrono::FixedOffset> {
    DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap()
}

on_both_deployments! {
    /// A refresh gives new tokens for the same session and lengthens its life.
    async fn a_refresh_token_is_exchanged_for_the_next(deployment: Deployment) {
        deployment.clock.freeze();
        let app = deployment.start().await;
        let first = app.sign_up(ADA).await;
        app.clock.advance(Duration::days(40));
        assert_access_token_rejected(&app, &first.access, "EXPIRED").await;

        let answer = app.refresh(&first.refresh).await;
        assert_eq!(answer["errors"], json!([]));
        let session = &answer["session"];
        let second = Tokens::of(session);
        assert_eq!(second.user_id, first.user_id);
        assert_ne!(second.refresh, first.refresh);
        assert_eq!(session["user"]["email"], ADA);
        let left = |name: &str| (time(&session[name]).to_utc() - app.clock.now()).num_minutes();
        assert_eq!(left("accessTokenExpiresAt"), 43_200);
        assert_eq!(left("refreshTokenExpiresAt"), 86_400);
        let (old, new) = (
            Jwt::read(&first.access).claims,
            Jwt::read(&second.access).claims,
        );
        assert_eq!(old["sid"], new["sid"]);
        assert_ne!(old["jti"], new["jti"]);

        // Beyond the life that the session had at first.
        app.clock.advance(Duration::days(25));
        assert_eq!(app.with_token(&second.access).me().await["email"], ADA);
        let third = Tokens::of(&app.refresh(&second.refresh).await["session"]);
        assert_eq!(app.with_token(&third.access).me().await["email"], ADA);
        assert_eq!(deployment.count("sessions").await, 1);
    }

    /// A session without use ends.
    async fn a_session_expires_without_use(deployment: Deployment) {
        let app = deployment.start().await;
        let tokens = app.sign_up(ADA).await;
        app.clock.advance(Duration::days(60));
        assert_refresh_token_rejected(&app, &tokens.refresh).await;
        assert_access_token_rejected(&app, &tokens.access, "EXPIRED").await;
        app.log_in(ADA).await;
    }

    /// Whoever repeats a refresh within the grace gets the same answer again: a lost reply harms
    /// nobody.
    async fn a_repeated_refresh_gets_the_same_token_again(deployment: Deployment) {
        let app = deployment.start().await;
        let first = app.sign_up(ADA).await;
        let second = Tokens::of(&app.refresh(&first.refresh).await["session"]);
        for _ in 0..3 {
            let repeated = Tokens::of(&app.refresh(&first.refresh).await["session"]);
            assert_eq!(repeated.refresh, second.refresh);
            assert_eq!(app.with_token(&repeated.access).me().await["email"], ADA);
        }
        app.clock.advance(Duration::seconds(8));
        let repeated = Tokens::of(&app.refresh(&first.refresh).await["session"]);
        assert_eq!(repeated.refresh, second.refresh);
        let third = Tokens::of(&app.refresh(&second.refresh).await["session"]);
        assert_ne!(third.refresh, second.refresh);
    }

    /// A token that comes back after the grace was copied: the session ends for everybody, and
    /// no other session does.
    async fn a_reused_refresh_token_revokes_the_session(deployment: Deployment) {
        let app = deployment.start().await;
        let first = app.sign_up(ADA).await;
        let other = app.log_in(ADA).await;
        let second = Tokens::of(&app.refresh(&first.refresh).await["session"]);
        assert_eq!(app.with_token(&second.access).me().await["email"], ADA);
        app.clock.advance(Duration::seconds(11));
        assert_refresh_token_rejected(&app, &first.refresh).await;

        assert_access_token_rejected(&app, &second.access, "REVOKED").await;
        assert_access_token_rejected(&app, &first.access, "REVOKED").await;
        assert_refresh_token_rejected(&app, &second.refresh).await;
        let reason: String = deployment
            .value("SELECT revoke_reason FROM sessions WHERE revoked_at IS NOT NULL")
            .await;
        assert_eq!(reason, "refresh_token_reuse");
        assert_eq!(app.with_token(&other.access).me().await["email"], ADA);
        assert_eq!(app.refresh(&other.refresh).await["errors"], json!([]));
    }

    /// The grace is for the token just before, not for older ones.
    async fn the_token_before_the_previous_has_no_grace_period(deployment: Deployment) {
        let app = deployment.start().await;
        let first = app.sign_up(ADA).await;
        let second = Tokens::of(&app.refresh(&first.refresh).await["session"]);
        let third = Tokens::of(&app.refresh(&second.refresh).await["session"]);
        assert_refresh_token_rejected(&app, &first.refresh).await;
        assert_refresh_token_rejected(&app, &third.refresh).await;
        assert_access_token_rejected(&app, &third.access, "REVOKED").await;
    }

    /// Theft is told to the log, without the token.
    async fn reuse_of_a_refresh_token_is_logged(deployment: Deployment) {
        let process = deployment
            .spawn(&["serve"], &[("REFRESH_GRACE_SECONDS", "0")])
            .await;
        process.request_signup_code(ADA, "Ada").await;
        let code = process.code(ADA).await;
        let first = Tokens::of(&process.verify_signup_code(ADA, &code).await["session"]);
        let second = Tokens::of(&process.refresh(&first.refresh).await["session"]);
        assert!(!process.output().contains("refresh_token_reuse"));
        assert_refresh_token_rejected(&process, &first.refresh).await;
        eventually("the event", async || {
            process
                .output()
                .contains("refresh_token_reuse")
                .then_some(())
        })
        .await;
        for token in [
            &first.refresh,
            &second.refresh,
            &first.access,
            &second.access,
        ] {
            assert!(!process.output().contains(token.as_str()));
        }
    }

    /// Twenty tabs that refresh at once stay signed in, on whichever process they land.
    async fn concurrent_refreshes_succeed(deployment: Deployment) {
        let (app, other) = (
            deployment.start().await,
            deployment.start_as(Role::Serve, &[]).await,
        );
        let first = app.sign_up(ADA).await;
        let answers = join_all((0..20).map(|n| {
            let client = if n % 2 == 0 { &app } else { &other };
            client.refresh(&first.refresh)
        }))
        .await;
        let second = Tokens::of(&answers[0]["session"]);
        for answer in &answers {
            let tokens = Tokens::of(&answer["session"]);
            assert_eq!(tokens.refresh, second.refresh);
            assert_eq!(other.with_token(&tokens.access).me().await["email"], ADA);
        }
        let generation: i32 = deployment.value("SELECT generation FROM sessions").await;
        assert_eq!(generation, 2);
        assert_eq!(
            deployment.count("sessions WHERE revoked_at IS NULL").await,
            1
        );
        assert_eq!(app.refresh(&second.refresh).await["errors"], json!([]));
    }

    /// Logging out ends this session, both of its tokens, and no other.
    async fn logging_out_revokes_the_session_at_once(deployment: Deployment) {
        let app = deployment.start().await;
        let (leaving, staying) = (app.sign_up(ADA).await, app.log_in(ADA).await);
        let client = app.with_token(&leaving.access);
        assert_eq!(client.me().await["email"], ADA);
        let ended = client.run(LOGOUT, json!({})).await["logout"].clone();
        assert_eq!(ended["errors"], json!([]));
        assert_eq!(
            ended["endedSessionId"],
            Jwt::read(&leaving.access).claims["sid"]
        );

        assert_access_token_rejected(&app, &leaving.access, "REVOKED").await;
        assert_refresh_token_rejected(&app, &leaving.refresh).await;
        assert_eq!(client.me().await, Value::Null);
        assert_eq!(app.with_token(&staying.access).me().await["email"], ADA);
        assert_eq!(app.refresh(&staying.refresh).await["errors"], json!([]));
        let reason: String = deployment
            .value("SELECT revoke_reason FROM sessions WHERE revoked_at IS NOT NULL")
            .await;
        assert_eq!(reason, "logout");
    }

    /// A refresh that races with a logout does not bring the session back.
    async fn a_refresh_cannot_undo_a_logout(deployment: Deployment) {
        let app = deployment.start().await;
        app.sign_up(ADA).await;
        for _ in 0..10 {
            let tokens = app.log_in(ADA).await;
            app.clock.advance(Duration::hours(1));
            let client = app.with_token(&tokens.access);
            let (refreshed, _) =
                futures::join!(app.refresh(&tokens.refresh), client.run(LOGOUT, json!({})));
            if !refreshed["session"].is_null() {
                let next = Tokens::of(&refreshed["session"]);
                assert_access_token_rejected(&app, &next.access, "REVOKED").await;
                assert_refresh_token_rejected(&app, &next.refresh).await;
            }
            assert_refresh_token_rejected(&app, &tokens.refresh).await;
        }
    }

    /// A disabled account keeps no session: neither its access token nor its refresh token.
    async fn a_disabled_user_cannot_refresh(deployment: Deployment) {
        let app = deployment.start().await;
        let tokens = app.sign_up(ADA).await;
        deployment
            .execute("UPDATE users SET is_active = FALSE")
            .await;
        assert_access_token_rejected(&app, &tokens.access, "REVOKED").await;
        assert_refresh_token_rejected(&app, &tokens.refresh).await;
    }

    /// What is no refresh token gets one and the same answer.
    async fn malformed_refresh_tokens_are_rejected(deployment: Deployment) {
        let app = deployment.start().await;
        let tokens = app.sign_up(ADA).await;
        let mut changed = tokens.refresh.clone();
        let last_but_five = changed.len() - 5;
        let with = if &changed[last_but_five..=last_but_five] == "A" {
            "B"
        } else {
            "A"
        };
        changed.replace_range(last_but_five..=last_but_five, with);
        let long = "A".repeat(20_000);
        let garbage = [
            "",
            " ",
            "x",
            "AAAA",
            "null",
            "ä\u{0}",
            "'; DROP TABLE sessions",
            &tokens.access,
            &changed,
            &tokens.refresh[1..],
            &format!("{}=", tokens.refresh),
            &format!(" {}", tokens.refresh),
            &tokens.refresh.repeat(2),
            &long,
        ];
        for token in garbage {
            assert_refresh_token_rejected(&app, token).await;
        }
        assert_eq!(app.refresh(&tokens.refresh).await["errors"], json!([]));
    }
}

/// Logging out at one process is felt at once at the other, although it has just seen the
/// session alive; also when Redis hangs meanwhile, or loses everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logging_out_takes_effect_on_every_process() {
    let deployment = Deployment::with_own_redis().await;
    let one = deployment.start().await;
    let other = deployment.start_as(Role::Serve, &[]).await;
    let redis = deployment.redis_server();
    let mut sessions = vec![one.sign_up(ADA).await];
    for _ in 0..3 {
        sessions.push(one.log_in(ADA).await);
    }
    for tokens in &sessions {
        assert_eq!(one.with_token(&tokens.access).me().await["email"], ADA);
        assert_eq!(other.with_token(&tokens.access).me().await["email"], ADA);
    }

    one.with_token(&sessions[0].access)
        .run(LOGOUT, json!({}))
        .await;
    assert_access_token_rejected(&other, &sessions[0].access, "REVOKED").await;
    other
        .with_token(&sessions[1].access)
        .run(LOGOUT, json!({}))
        .await;
    assert_access_token_rejected(&one, &sessions[1].access, "REVOKED").await;

    redis.pause();
    one.with_token(&sessions[2].access)
        .run(LOGOUT, json!({}))
        .await;
    assert_access_token_rejected(&other, &sessions[2].access, "REVOKED").await;
    assert_eq!(
        other.with_token(&sessions[3].access).me().await["email"],
        ADA
    );
    redis.resume();
    eventually("the mark of the ended session", async || {
        other
            .with_token(&sessions[2].access)
            .me()
            .await
            .is_null()
            .then_some(())
    })
    .await;

    redis.flush().await;
    for tokens in &sessions[..3] {
        assert_access_token_rejected(&one, &tokens.access, "REVOKED").await;
        assert_access_token_rejected(&other, &tokens.access, "REVOKED").await;
    }
    assert_eq!(
        other.with_token(&sessions[3].access).me().await["email"],
        ADA
    );
}
