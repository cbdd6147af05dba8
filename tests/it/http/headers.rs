//! Response headers: request ID, security headers and CORS.

use reqwest::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN,
};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::client::Response;
use crate::support::deployment::Deployment;

/// A valid `X-Request-Id` is kept; an invalid one is replaced. The ID is in the response header, in
/// the errors and in the log.
#[tokio::test]
async fn a_valid_request_id_is_kept() {
    let deployment = Deployment::embedded().await;
    let settings = [("LOG_FORMAT", "json"), ("LOG_LEVEL", "DEBUG")];
    let server = deployment.spawn(&["serve"], &settings).await;
    let send = async |id: HeaderValue| {
        let request = server.request(Method::POST, "/graphql");
        let request = request.json(&json!({ "query": "{" }));
        Response::of(request.header("x-request-id", id)).await
    };
    let longest = "x".repeat(64);
    for id in ["a", "trace-42_B.7", &longest] {
        let response = send(HeaderValue::from_str(id).unwrap()).await;
        assert_eq!(response.header("x-request-id"), Some(id));
        assert_eq!(response.json()["errors"][0]["extensions"]["requestId"], id);
        let lines = server.request_log(id).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["event"], "request_refused");
    }
    for id in [
        HeaderValue::from_static(""),
        HeaderValue::from_static("two words"),
        HeaderValue::from_static("a,b"),
        HeaderValue::from_static("{\"a\":1}"),
        HeaderValue::from_static("<script>"),
        HeaderValue::from_static("tab\there"),
        HeaderValue::from_str(&"x".repeat(65)).unwrap(),
        HeaderValue::from_bytes("ünïcode".as_bytes()).unwrap(),
        HeaderValue::from_bytes(b"\xff\xfe").unwrap(),
    ] {
        let response = send(id.clone()).await;
        let given = response.header("x-request-id").unwrap();
        assert_eq!(given.len(), 36, "{id:?}");
        assert_eq!(
            response.json()["errors"][0]["extensions"]["requestId"],
            given
        );
        assert_eq!(server.request_log(given).await.len(), 1, "{id:?}");
    }
    assert!(!server.output().contains("<script>"));
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/graphql?query={me{id}}"),
        (Method::GET, "/graphql"),
        (Method::PUT, "/graphql"),
        (Method::POST, "/graphql"),
        (Method::GET, "/healthz"),
        (Method::GET, "/readyz"),
        (Method::POST, "/readyz"),
        (Method::GET, "/demo"),
        (Method::GET, "/reset-password?token=x"),
        (Method::GET, "/demo/views/login.js"),
        (Method::GET, "/dev/mailbox"),
        (Method::GET, "/dev/mailbox/mails"),
        (Method::GET, "/dev/mailbox/mails/none/html"),
        (Method::GET, "/assets/pages.css"),
        (Method::GET, "/no/such/path"),
        (Method::GET, "/%2e%2e/%00"),
    ] {
        let response = Response::of(app.request(method.clone(), path)).await;
        let what = format!("{method} {path}");
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{what}"
        );
        assert_eq!(
            response.header("referrer-policy"),
            Some("no-referrer"),
            "{what}"
        );
        assert_eq!(response.header("cache-control"), Some("no-store"), "{what}");
        assert_eq!(response.header("x-request-id").unwrap().len(), 36, "{what}");
        let policy = response.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{what}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{what}: {policy}"
        );
        assert_eq!(response.header("server"), None, "{what}");
        assert_isolated(&response, "DENY", &what);
    }
}

/// Asserts that pages of other origins cannot frame, embed or access a response.
fn assert_isolated(response: &Response, frames: &str, what: &str) {
    for (name, expected) in [
        ("x-frame-options", frames),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(response.header(name), Some(expected), "{what}");
    }
    let permissions = response.header("permissions-policy").unwrap();
    assert!(permissions.contains("camera=()"), "{what}: {permissions}");
}

/// Early rejections have security headers, too. The development mailbox may frame mails.
#[tokio::test]
async fn error_responses_have_security_headers() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let post = || app.request(Method::POST, "/graphql");
    for (request, status) in [
        (post().body("{me{id}}"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            post().header(ACCEPT, "image/png").json(&json!({})),
            StatusCode::NOT_ACCEPTABLE,
        ),
        (
            post().json(&"x".repeat(300_000)),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
        (
            post()
                .bearer_auth("x")
                .json(&json!({ "query": "{sessions{id}}" })),
            StatusCode::UNAUTHORIZED,
        ),
        (
            app.request(Method::OPTIONS, "/graphql")
                .header(ORIGIN, "http://localhost:8000")
                .header(ACCESS_CONTROL_REQUEST_METHOD, "POST"),
            StatusCode::NO_CONTENT,
        ),
    ] {
        let response = Response::of(request).await;
        assert_eq!(response.status, status);
        let what = status.to_string();
        assert_isolated(&response, "DENY", &what);
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{what}"
        );
        assert_eq!(response.header("cache-control"), Some("no-store"), "{what}");
        let policy = response.header("content-security-policy");
        assert_eq!(
            policy,
            Some("default-src 'none'; frame-ancestors 'none'"),
            "{what}"
        );
    }

    app.sign_up("ada@example.com").await;
    let mails = Response::of(app.request(Method::GET, "/dev/mailbox/mails")).await;
    let id = mails.json()[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/dev/mailbox/mails/{id}/html");
    let mail = Response::of(app.request(Method::GET, &path)).await;
    assert_eq!(mail.status, StatusCode::OK);
    assert_isolated(&mail, "SAMEORIGIN", "a mail");
}

/// Requests with another `Origin` are served without CORS headers: browsers also send `Origin` with
/// same-origin requests.
#[tokio::test]
async fn only_allowed_origins_may_read_responses() {
    let origins = "https://app.example.com,http://localhost:3000";
    let deployment = Deployment::embedded().await;
    let listed = deployment
        .start_with(&[("CORS_ALLOWED_ORIGINS", origins)])
        .await;
    for origin in ["https://app.example.com", "http://localhost:3000"] {
        let request = listed
            .request(Method::POST, "/graphql")
            .header(ORIGIN, origin);
        let response = Response::of(request.json(&json!({ "query": "{ me { id } }" }))).await;
        assert_eq!(response.text, r#"{"data":{"me":null}}"#);
        assert_eq!(response.header("access-control-allow-origin"), Some(origin));
        assert_eq!(
            response.header("access-control-expose-headers"),
            Some("x-request-id")
        );
        assert_eq!(response.header("access-control-allow-credentials"), None);
        assert_eq!(response.header("vary"), Some("Origin"));

        // Error responses can be read, too.
        let rejected = listed
            .request(Method::PUT, "/graphql")
            .header(ORIGIN, origin);
        let rejected = Response::of(rejected).await;
        assert_eq!(rejected.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(rejected.header("access-control-allow-origin"), Some(origin));

        let preflight = listed
            .request(Method::OPTIONS, "/graphql")
            .header(ORIGIN, origin);
        let preflight = preflight
            .header(ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");
        let response = Response::of(preflight).await;
        assert_eq!(response.status, StatusCode::NO_CONTENT);
        assert_eq!(response.header("access-control-allow-origin"), Some(origin));
        assert_eq!(
            response.header("access-control-allow-methods"),
            Some("GET, POST")
        );
        let allowed = response.header("access-control-allow-headers").unwrap();
        for header in ["authorization", "content-type"] {
            assert!(allowed.split(", ").any(|name| name == header), "{allowed}");
        }
    }
    let unlisted = deployment
        .start_with(&[("APP_ENV", "development"), ("CORS_ALLOWED_ORIGINS", "")])
        .await;
    for app in [&listed, &unlisted] {
        for origin in [
            "https://evil.example",
            "https://app.example.com.evil.example",
            "https://app.example.com:8443",
            "http://app.example.com",
            "null",
            "",
        ] {
            let request = app.request(Method::POST, "/graphql").header(ORIGIN, origin);
            let response = Response::of(request.json(&json!({ "query": "{ me { id } }" }))).await;
            assert_eq!(response.text, r#"{"data":{"me":null}}"#, "{origin}");
            let preflight = app
                .request(Method::OPTIONS, "/graphql")
                .header(ORIGIN, origin);
            let preflight = preflight.header(ACCESS_CONTROL_REQUEST_METHOD, "POST");
            let preflight = Response::of(preflight).await;
            assert_eq!(preflight.status, StatusCode::METHOD_NOT_ALLOWED, "{origin}");
            for response in [response, preflight] {
                let cors = response
                    .headers
                    .keys()
                    .filter(|name| name.as_str().starts_with("access-control-"));
                assert_eq!(cors.count(), 0, "{origin}: {response:?}");
            }
        }
    }
}

/// GraphiQL is served only if it is enabled and the client prefers HTML.
#[tokio::test]
async fn graphiql_is_for_browsers_only() {
    let deployment = Deployment::embedded().await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (enabled, accept, is_page) in [
        ("true", browser, true),
        ("true", "*/*", false),
        ("false", browser, false),
    ] {
        let app = deployment
            .start_with(&[("GRAPHIQL_ENABLED", enabled)])
            .await;
        let request = app.request(Method::GET, "/graphql?query={me{id}}");
        let response = Response::of(request.header(ACCEPT, accept)).await;
        assert_eq!(response.status, StatusCode::OK);
        let content_type = response.header("content-type").unwrap();
        let expected = if is_page {
            "text/html"
        } else {
            "application/json"
        };
        assert!(
            content_type.starts_with(expected),
            "{enabled} {accept}: {content_type}"
        );
    }
}
