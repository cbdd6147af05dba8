//! Client IP addresses behind proxies.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::client::{Response, error_codes};
use crate::support::deployment::Deployment;

const PROXY: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.0/8");
const SIGN_UP: &str = "mutation($email: String!) { \
    requestSignupCode(input: { email: $email, name: \"Ada\" }) { errors { code } } }";

/// Requests a sign-up code for a new email address; returns the error codes.
async fn request_code(request: RequestBuilder, headers: &[(&str, &str)]) -> Vec<String> {
    let email = format!(
        "{}@example.com",
        uuid::Uuid::from_bytes(gatelodge::testing::crypto::random()).simple()
    );
    let body = json!({ "query": SIGN_UP, "variables": { "email": email } });
    let with =
        |request: RequestBuilder, (name, value): &(&str, &str)| request.header(*name, *value);
    let response = Response::of(headers.iter().fold(request, with).json(&body)).await;
    let payload: &Value = &response.json()["data"]["requestSignupCode"];
    error_codes(payload)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// A client cannot evade its limits with headers of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_apply_to_the_client_behind_the_proxy() {
    let deployment = Deployment::embedded().await;
    let settings = [PROXY, ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1")];
    let app = deployment.start_with(&settings).await.allow_unread_mail();
    let allowed: [&[(&str, &str)]; 5] = [
        &[("x-forwarded-for", "203.0.113.1")],
        &[("forwarded", "for=203.0.113.2;proto=https")],
        &[("x-real-ip", "203.0.113.3")],
        &[("x-forwarded-for", "2001:db8:1:1::1")],
        // The proxy itself.
        &[],
    ];
    let limited: [&[(&str, &str)]; 12] = [
        &[("x-forwarded-for", "203.0.113.1")],
        // Everything before the last address was sent by the client.
        &[("x-forwarded-for", "198.51.100.1, 203.0.113.1")],
        &[
            ("x-forwarded-for", "198.51.100.2"),
            ("x-forwarded-for", "203.0.113.1:4711"),
        ],
        &[("x-forwarded-for", "203.0.113.1, 127.0.0.9")],
        &[("x-forwarded-for", "::ffff:203.0.113.1")],
        &[("forwarded", "for=198.51.100.3, for=\"203.0.113.2:80\"")],
        &[("x-real-ip", "203.0.113.3")],
        // Another IP address of the same /64 network.
        &[("x-forwarded-for", "2001:db8:1:1:ffff::9")],
        &[("forwarded", "for=\"[2001:db8:1:1:2::3]:4711\"")],
        // Without a valid IP address, the proxy's is used.
        &[("x-forwarded-for", "unknown")],
        &[("forwarded", "for=_hidden")],
        &[
            ("x-forwarded-for", "198.51.100.4"),
            ("x-real-ip", "198.51.100.5"),
        ],
    ];
    for headers in allowed {
        let codes = request_code(app.request(Method::POST, "/graphql"), headers).await;
        assert_eq!(codes, [""; 0], "{headers:?}");
    }
    for headers in limited {
        let codes = request_code(app.request(Method::POST, "/graphql"), headers).await;
        assert_eq!(codes, ["RATE_LIMITED"], "{headers:?}");
    }
}

/// Forwarding headers of a peer that is not in `TRUSTED_PROXIES` are ignored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untrusted_proxy_is_ignored() {
    let deployment = Deployment::embedded().await;
    let settings = [
        ("TRUSTED_PROXIES", "127.0.0.5, 10.0.0.0/8"),
        ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1"),
    ];
    let app = deployment.start_with(&settings).await.allow_unread_mail();
    assert_eq!(
        request_code(app.request(Method::POST, "/graphql"), &[]).await,
        [""; 0]
    );
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "for=203.0.113.1"),
        ("x-real-ip", "203.0.113.1"),
        ("client-ip", "203.0.113.1"),
        ("true-client-ip", "203.0.113.1"),
        ("cf-connecting-ip", "203.0.113.1"),
    ] {
        let codes = request_code(app.request(Method::POST, "/graphql"), &[(name, value)]).await;
        assert_eq!(codes, ["RATE_LIMITED"], "{name}: {value}");
    }
    let proxy = app.with_ip("127.0.0.5");
    let headers = [("x-forwarded-for", "203.0.113.1")];
    assert_eq!(
        request_code(proxy.request(Method::POST, "/graphql"), &headers).await,
        [""; 0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_has_the_ip_address_of_the_client_behind_the_proxy() {
    let deployment = Deployment::embedded().await;
    let settings = [PROXY, ("LOG_FORMAT", "json"), ("LOG_LEVEL", "DEBUG")];
    let server = deployment.spawn(&["serve"], &settings).await;
    let request = server.request(Method::GET, "/healthz");
    let request = request.header("x-forwarded-for", "198.51.100.1, 203.0.113.1");
    Response::of(request.header("x-request-id", "forwarded")).await;
    let lines = server.request_log("forwarded").await;
    assert_eq!(lines[0]["ip_address"], "203.0.113.1", "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hsts_follows_the_scheme_at_a_trusted_proxy() {
    let deployment = Deployment::embedded().await;
    let trusting = deployment.start_with(&[PROXY]).await;
    let distrusting = deployment.start().await;
    for (app, scheme, expected) in [
        (&trusting, "https", Some("max-age=31536000")),
        (&trusting, "http", None),
        (&distrusting, "https", None),
    ] {
        let request = app.request(Method::GET, "/healthz");
        let response = Response::of(request.header("x-forwarded-proto", scheme)).await;
        assert_eq!(
            response.header("strict-transport-security"),
            expected,
            "{scheme}"
        );
    }
}

/// Caddy sets `X-Forwarded-For` and must remove the other trusted headers. If headers contradict
/// each other, Gatelodge uses the proxy's IP address.
#[test]
fn the_supplied_proxy_removes_forged_headers() {
    let caddyfile = include_str!("../../../deploy/Caddyfile");
    let (_, proxy) = caddyfile.split_once("reverse_proxy {").unwrap();
    for header in ["Forwarded", "X-Real-IP"] {
        let removal = format!("header_up -{header}");
        assert!(proxy.lines().any(|line| line.trim() == removal), "{header}");
    }
}
