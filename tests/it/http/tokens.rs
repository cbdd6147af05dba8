//! The `Authorization` header.

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::assert_rejected;
use crate::support::client::{Client, Response};
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

const PUBLIC: &str = "{ me { email } serverInfo { appName } }";
const PROTECTED: &str = "mutation { logout { endedSessionId } }";

async fn send(client: &Client, query: &str, headers: &[HeaderValue]) -> Response {
    let mut request = client.request(Method::POST, "/graphql");
    for header in headers {
        request = request.header(AUTHORIZATION, header);
    }
    Response::of(request.json(&json!({ "query": query }))).await
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap()
}

on_both_deployments! {
    /// Rule 4 of the contract: with an invalid token, an operation with protected fields is rejected
    /// before it runs, and an operation without them runs.
    async fn an_invalid_token_fails_only_protected_fields(deployment: Deployment) {
        let app = deployment.start().await;
        let token = app.sign_up("ada@example.com").await.access;
        let invalid = [
            vec![header("")],
            vec![header("Bearer")],
            vec![header("Bearer ")],
            vec![header(&token)],
            vec![header("Basic YWRhOnBhc3N3b3Jk")],
            vec![header(&format!("Basic {token}"))],
            vec![header(&format!("Bearer {token}x"))],
            vec![header(&format!("Bearer {token} x"))],
            vec![header(&format!("Bearer {}", &token[..token.len() - 5]))],
            vec![header(&format!("Bearer {}", "x".repeat(10_000)))],
            vec![header(&format!("Bearer {}", "a.b.c"))],
            vec![HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap()],
            vec![header(&format!("Bearer {token}")), header("Bearer other")],
            vec![header("Bearer other"), header(&format!("Bearer {token}"))],
            vec![header(&format!("Bearer {token}")), header(&format!("Bearer {token}"))],
        ];
        for headers in invalid {
            let what = format!("{headers:?}");
            let response = send(&app, PROTECTED, &headers).await;
            assert_rejected(&response, StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", &what);
            let error = &response.json()["errors"][0];
            assert_eq!(error["extensions"]["reason"], "INVALID", "{what}");
            let challenge = response.header("www-authenticate");
            assert_eq!(challenge, Some("Bearer error=\"invalid_token\""), "{what}");

            let response = send(&app, PUBLIC, &headers).await;
            assert_eq!(response.status, StatusCode::OK, "{what}");
            assert_eq!(response.json()["data"]["me"], Value::Null, "{what}");

            // One protected field is enough.
            let mixed = "mutation { refreshSession(input: {refreshToken: \"x\"}) { errors { code } } \
                         ...A } fragment A on Mutation { end: logout { endedSessionId } }";
            let response = send(&app, mixed, &headers).await;
            assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{what}");
        }
        for valid in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token}")] {
            let response = send(&app, PUBLIC, &[header(&valid)]).await;
            assert_eq!(response.json()["data"]["me"]["email"], "ada@example.com", "{valid}");
        }
    }

    /// By the reason, a client knows whether to refresh or to sign in again.
    async fn rejected_tokens_have_a_reason(deployment: Deployment) {
        let app = deployment.start_with(&[("JWT_EXPIRATION_MINUTES", "5")]).await;
        let token = app.sign_up("ada@example.com").await.access;
        let reason = async |token: &str| {
            let response = app.with_token(token).post(PROTECTED, Value::Null).await;
            assert_rejected(&response, StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", token);
            response.json()["errors"][0]["extensions"]["reason"].as_str().unwrap().to_owned()
        };
        let signed_out = app.with_token(&token).run(PROTECTED, Value::Null).await;
        assert!(signed_out["logout"]["endedSessionId"].is_string());
        assert_eq!(reason(&token).await, "REVOKED");

        let token = app.log_in("ada@example.com").await.access;
        app.clock.advance(chrono::Duration::minutes(6));
        assert_eq!(reason(&token).await, "EXPIRED");
        assert_eq!(reason("x").await, "INVALID");
    }
}
