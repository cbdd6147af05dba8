//! What lasts: sessions and codes over restarts, an emptied Redis and a new key.

use serde_json::{Value, json};

use crate::support::client::Tokens;
use crate::support::deployment::{Deployment, SECRET};
use crate::support::flow::Flow;
use crate::support::jwt::Jwt;
use crate::support::on_both_deployments;
use crate::support::rejected_tokens::{
    LOGOUT, assert_access_token_rejected, assert_refresh_token_rejected,
};

const ADA: &str = "ada@example.com";

on_both_deployments! {
    /// A restart and an empty Redis lose nothing and bring nothing back.
    async fn sessions_and_codes_survive_a_restart(deployment: Deployment) {
        let app = deployment.start().await;
        let kept = app.sign_up(ADA).await;
        let ended = app.log_in(ADA).await;
        app.with_token(&ended.access).run(LOGOUT, json!({})).await;
        let login = Flow::Login.code(&app, ADA).await;
        let signup = Flow::Signup.code(&app, "grace@example.com").await;
        app.stop().await;
        if let Some(redis) = &deployment.redis {
            redis.flush().await;
        }

        let app = deployment.start().await;
        assert_eq!(app.with_token(&kept.access).me().await["email"], ADA);
        assert_access_token_rejected(&app, &ended.access, "REVOKED").await;
        assert_refresh_token_rejected(&app, &ended.refresh).await;
        assert_eq!(app.refresh(&kept.refresh).await["errors"], json!([]));
        assert_ne!(
            app.verify_login_code(ADA, &login).await["session"],
            Value::Null
        );
        let verified = app.verify_signup_code("grace@example.com", &signup).await;
        assert_ne!(verified["session"], Value::Null);
    }

    /// The key can be replaced without signing anybody out: what was made before it still works,
    /// what is made after it is of the new key, and without the old key its work is worth nothing.
    async fn the_secret_key_can_be_replaced(deployment: Deployment) {
        const NEW: &str = "another-secret-for-tests-of-32-bytes-or-more";
        let app = deployment.start().await;
        let old = app.sign_up(ADA).await;
        let idle = app.log_in(ADA).await;
        let code = Flow::Login.code(&app, ADA).await;
        app.stop().await;

        let both = [("JWT_SECRET_KEY", NEW), ("JWT_SECRET_KEY_PREVIOUS", SECRET)];
        let app = deployment.start_with(&both).await;
        assert_eq!(app.with_token(&old.access).me().await["email"], ADA);
        let new = Tokens::of(&app.refresh(&old.refresh).await["session"]);
        let repeated = Tokens::of(&app.refresh(&old.refresh).await["session"]);
        assert_eq!(repeated.refresh, new.refresh);
        assert_ne!(
            Jwt::read(&new.access).header["kid"],
            Jwt::read(&old.access).header["kid"]
        );
        assert_ne!(
            app.verify_login_code(ADA, &code).await["session"],
            Value::Null
        );
        app.log_in(ADA).await;
        let waiting = Flow::Login.code(&app, ADA).await;
        app.stop().await;

        let app = deployment.start_with(&both[..1]).await;
        assert_eq!(app.with_token(&new.access).me().await["email"], ADA);
        assert_eq!(app.refresh(&new.refresh).await["errors"], json!([]));
        assert_ne!(
            app.verify_login_code(ADA, &waiting).await["session"],
            Value::Null
        );
        assert_access_token_rejected(&app, &old.access, "INVALID").await;
        assert_access_token_rejected(&app, &idle.access, "INVALID").await;
        assert_refresh_token_rejected(&app, &idle.refresh).await;
    }
}
