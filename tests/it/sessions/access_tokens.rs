//! Access tokens: what they say, and what a dead one is still good for.

use chrono::Duration;
use sea_orm::prelude::Uuid;
use serde_json::{Value, json};

use crate::support::deployment::Deployment;
use crate::support::flow::Flow;
use crate::support::jwt::{CLAIMS, Jwt};
use crate::support::on_both_deployments;
use crate::support::rejected_tokens::{LOGOUT, assert_access_token_rejected};

const ADA: &str = "ada@example.com";

on_both_deployments! {
    /// The token says exactly what other services were promised.
    async fn an_access_token_has_the_promised_claims(deployment: Deployment) {
        deployment.clock.freeze();
        let app = deployment
            .start_with(&[
                ("JWT_ISSUER", "https://id.example.com"),
                ("JWT_AUDIENCE", "api"),
                ("JWT_EXPIRATION_MINUTES", "15"),
            ])
            .await;
        let tokens = app.sign_up(ADA).await;
        let Jwt { header, claims, .. } = Jwt::read(&tokens.access);
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!(header["alg"], "HS256");
        assert!(
            header["kid"].as_str().is_some_and(|kid| kid.len() >= 8),
            "{header}"
        );
        assert_eq!(header.as_object().unwrap().len(), 3, "{header}");

        assert_eq!(
            claims.as_object().unwrap().keys().collect::<Vec<_>>(),
            CLAIMS
        );
        assert_eq!(claims["sub"], tokens.user_id.as_str());
        assert_eq!(claims["email"], ADA);
        assert_eq!(claims["email_verified"], true);
        assert_eq!(claims["teams"], json!([]));
        assert_eq!(claims["roles"], json!([]));
        assert_eq!(claims["iss"], "https://id.example.com");
        assert_eq!(claims["aud"], "api");
        let sid: Uuid = deployment.value("SELECT id FROM sessions").await;
        assert_eq!(claims["sid"], sid.to_string());
        assert!(claims["jti"].as_str().unwrap().parse::<Uuid>().is_ok());
        let (iat, exp) = (
            claims["iat"].as_i64().unwrap(),
            claims["exp"].as_i64().unwrap(),
        );
        assert_eq!(exp - iat, 15 * 60);
        assert_eq!(iat, app.clock.now().timestamp());
        assert_eq!(Jwt::read(&app.log_in(ADA).await.access).header, header);

        deployment
            .execute("UPDATE users SET is_superuser = TRUE")
            .await;
        let claims = Jwt::read(&app.log_in(ADA).await.access).claims;
        assert_eq!(claims["roles"], json!(["superuser"]));
    }

    /// A token lives exactly as long as it says.
    async fn an_access_token_expires(deployment: Deployment) {
        let app = deployment
            .start_with(&[("JWT_EXPIRATION_MINUTES", "15")])
            .await;
        let tokens = app.sign_up(ADA).await;
        app.clock.advance(Duration::seconds(14 * 60 + 50));
        assert_eq!(app.with_token(&tokens.access).me().await["email"], ADA);
        app.clock.advance(Duration::seconds(10));
        assert_access_token_rejected(&app, &tokens.access, "EXPIRED").await;
        assert_eq!(app.with_token(&tokens.access).me().await, Value::Null);
    }

    /// Contract rule 4: a client that holds a dead token can still do what needs none, as nobody;
    /// together with anything that needs one, nothing runs.
    async fn public_fields_accept_an_invalid_token(deployment: Deployment) {
        let app = deployment.start().await;
        let tokens = app.sign_up(ADA).await;
        app.with_token(&tokens.access).run(LOGOUT, json!({})).await;
        for dead in [&tokens.access, "garbage", ""] {
            let client = app.with_token(dead);
            assert_eq!(client.me().await, Value::Null);
            let query = "query Q { __typename ...A } \
                fragment A on Query { serverInfo { appName } m: me { id } }";
            let data = client.run(query, json!({})).await;
            assert_eq!(data["serverInfo"]["appName"], "Gatelodge");
            assert_eq!(data["m"], Value::Null);
            let refreshed = client.refresh("garbage").await;
            assert_eq!(refreshed["errors"][0]["code"], "INVALID_TOKEN");

            let mixed = "mutation { requestLoginCode(input: { email: \"ada@example.com\" }) \
                { challenge { email } } ... { x: logout { endedSessionId } } }";
            let answer = client.post(mixed, json!({})).await;
            assert_eq!(answer.status, 401, "{answer:?}");
            assert_eq!(answer.code(), "UNAUTHENTICATED");
        }
        // Nothing of the mixed operations ran.
        assert_eq!(
            deployment
                .count("verification_codes WHERE purpose = 'login'")
                .await,
            0
        );
        let client = app.with_token(&tokens.access);
        let code = Flow::Login.code(&app, ADA).await;
        let verified = client.verify_login_code(ADA, &code).await;
        assert_eq!(verified["session"]["user"]["id"], tokens.user_id.as_str());
    }

    /// Without a token a protected field says so, and public ones beside it run.
    async fn a_missing_token_is_an_error_of_the_field(deployment: Deployment) {
        let app = deployment.start().await;
        let answer = app.post(LOGOUT, json!({})).await;
        assert_eq!(answer.status, 200);
        let body = answer.json();
        let error = &body["errors"][0];
        assert_eq!(error["path"], json!(["logout"]));
        assert_eq!(error["extensions"]["code"], "UNAUTHENTICATED");
        assert_eq!(error["extensions"]["reason"], "MISSING");
        assert_eq!(
            error["extensions"]["requestId"].as_str(),
            answer.header("x-request-id")
        );
    }
}
