//! Assertions that tokens are rejected.

use reqwest::Method;
use serde_json::json;

use super::client::{Client, Response, assert_error};

/// An operation that needs an access token.
pub(crate) const LOGOUT: &str = "mutation { logout { endedSessionId errors { code } } }";

/// Asserts that an `Authorization` header is rejected before the operation runs.
pub(crate) async fn assert_authorization_rejected(
    client: &Client,
    value: &[u8],
    reason: &str,
    what: &str,
) {
    let request = client
        .request(Method::POST, "/graphql")
        .header("authorization", value);
    let response = Response::of(request.json(&json!({ "query": LOGOUT }))).await;
    assert_eq!(response.status, 401, "{what}: {response:?}");
    let challenge = response.header("www-authenticate");
    assert_eq!(challenge, Some("Bearer error=\"invalid_token\""), "{what}");
    let body = response.json();
    assert_eq!(
        body.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["errors"],
        "{what}"
    );
    let extensions = &body["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "UNAUTHENTICATED", "{what}: {body}");
    assert_eq!(extensions["reason"], reason, "{what}: {body}");
    assert_eq!(
        extensions["requestId"].as_str(),
        response.header("x-request-id"),
        "{what}"
    );
}

pub(crate) async fn assert_bearer_rejected(client: &Client, token: &str, reason: &str, what: &str) {
    assert_authorization_rejected(client, format!("Bearer {token}").as_bytes(), reason, what).await;
}

pub(crate) async fn assert_access_token_rejected(client: &Client, token: &str, reason: &str) {
    assert_bearer_rejected(client, token, reason, "access token").await;
}

pub(crate) async fn assert_refresh_token_rejected(client: &Client, token: &str) {
    assert_error(
        &client.refresh(token).await,
        "INVALID_TOKEN",
        "refreshToken",
    );
}
