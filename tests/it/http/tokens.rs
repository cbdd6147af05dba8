//! `Authorization`: what is read as a token, and what becomes of one that is of no use.

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::assert_refused;
use crate::support::client::{Client, Response};
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

const PUBLIC: &str = "{ me { email } serverInfo { appName } }";
const PROTECTED: &str = "mutation { logout { endedSessionId } }";

async fn ask(client: &Client, query: &str, headers: &[HeaderValue]) -> Response {
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
    /// Contract rule 4: a dead token stops what needs one before it runs, and stops nothing that
    /// needs none.
    async fn an_invalid_token_fails_only_protected_fields(deployment: Deployment) {
        let app = deployment.start().await;
        let token = app.sign_up("ada@example.com").await.access;
        let dead = [
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
        for headers in dead {
            let what = format!("{headers:?}");
            let response = ask(&app, PROTECTED, &headers).await;
            assert_refused(&response, StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", &what);
            let error = &response.json()["errors"][0];
            assert_eq!(error["extensions"]["reason"], "INVALID", "{what}");
            let challenge = response.header("www-authenticate");
            assert_eq!(challenge, Some("Bearer error=\"invalid_token\""), "{what}");

            let response = ask(&app, PUBLIC, &headers).await;
            assert_eq!(response.status, StatusCode::OK, "{what}");
            assert_eq!(response.json()["data"]["me"], Value::Null, "{what}");

            // One protected field among public ones makes the whole need a token.
            let mixed = "mutation { refreshSession(input: {refreshToken: \"x\"}) { errors { code } } \
                         ...A } fragment A on Mutation { end: logout { endedSessionId } }";
            let response = ask(&app, mixed, &headers).await;
            assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{what}");
        }
        for live in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token}")] {
            let response = ask(&app, PUBLIC, &[header(&live)]).await;
            assert_eq!(response.json()["data"]["me"]["email"], "ada@example.com", "{live}");
        }
    }

    /// The reason tells a client what to do: refresh, or sign in again.
    async fn the_reason_says_what_to_do(deployment: Deployment) {
        let app = deployment.start_with(&[("JWT_EXPIRATION_MINUTES", "5")]).await;
        let token = app.sign_up("ada@example.com").await.access;
        let reason = async |token: &str| {
            let response = app.with_token(token).post(PROTECTED, Value::Null).await;
            assert_refused(&response, StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", token);
            response.json()["errors"][0]["extensions"]["reason"].as_str().unwrap().to_owned()
        };
        let ended = app.with_token(&token).run(PROTECTED, Value::Null).await;
        assert!(ended["logout"]["endedSessionId"].is_string());
        assert_eq!(reason(&token).await, "REVOKED");

        let token = app.log_in("ada@example.com").await.access;
        app.clock.advance(chrono::Duration::minutes(6));
        assert_eq!(reason(&token).await, "EXPIRED");
        assert_eq!(reason("x").await, "INVALID");
    }
}
