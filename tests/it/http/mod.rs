//! HTTP: GraphQL requests, responses, connections and pages.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::support::client::{Client, Response};
use crate::support::deployment::Deployment;

mod bodies;
mod compression;
mod connections;
mod draft;
mod failures;
mod headers;
mod pages;
mod proxies;
mod responses;
mod tls;
mod tokens;

const JSON: &str = "application/json";
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// Asserts that a response has only errors with this code (rule 3 of the contract) and no `data`.
fn assert_rejected(response: &Response, status: StatusCode, code: &str, what: &str) {
    assert_eq!(response.status, status, "{what}: {}", response.text);
    let body = response.json();
    let errors = body["errors"].as_array().expect("the response has errors");
    assert!(
        !errors.is_empty() && body.get("data").is_none(),
        "{what}: {body}"
    );
    for error in errors {
        assert_eq!(error["extensions"]["code"], code, "{what}: {body}");
        let id = &error["extensions"]["requestId"];
        assert_eq!(
            *id,
            response.header("x-request-id").unwrap(),
            "{what}: {body}"
        );
        assert!(
            !error["message"].as_str().unwrap().is_empty(),
            "{what}: {body}"
        );
    }
}

async fn get(client: &Client, parameters: &[(&str, &str)]) -> Response {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let request = client.request(Method::GET, &format!("/graphql?{query}"));
    Response::of(request.header(ACCEPT, JSON)).await
}

async fn post_accepting(client: &Client, accept: &str, body: &Value) -> Response {
    let request = client.request(Method::POST, "/graphql").json(body);
    Response::of(request.header(ACCEPT, accept)).await
}

/// Responses to other methods list the allowed ones.
#[tokio::test]
async fn only_get_and_post_are_allowed() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = app.request(method.clone(), "/graphql?query={me{id}}");
        let response = Response::of(request).await;
        let status = StatusCode::METHOD_NOT_ALLOWED;
        assert_rejected(&response, status, "BAD_USER_INPUT", method.as_str());
        assert_eq!(response.header("allow"), Some("GET, POST"), "{method}");
    }
    let head = Response::of(app.request(Method::HEAD, "/graphql?query={me{id}}")).await;
    assert_eq!(head.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(head.header("allow"), Some("GET, POST"));
    assert_eq!(head.text, "");
}

/// GET has the parameters of POST in the URL.
#[tokio::test]
async fn queries_run_by_get() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let two =
        "query A { me { id } } query B($x: Boolean!) { serverInfo @include(if: $x) { appName } }";
    for (parameters, data) in [
        (vec![("query", "{me{id}}")], json!({ "me": null })),
        (
            vec![
                ("query", "{me{id}}"),
                ("variables", ""),
                ("operationName", ""),
                ("extensions", "{}"),
            ],
            json!({ "me": null }),
        ),
        (
            vec![("query", two), ("operationName", "A")],
            json!({ "me": null }),
        ),
        (
            vec![
                ("query", two),
                ("operationName", "B"),
                ("variables", "{\"x\":true}"),
            ],
            json!({ "serverInfo": { "appName": "Gatelodge" } }),
        ),
        (
            vec![
                ("query", "{me{id}}"),
                ("unknown", "1"),
                ("variables", "null"),
            ],
            json!({ "me": null }),
        ),
    ] {
        let response = get(&app, &parameters).await;
        assert_eq!(
            response.status,
            StatusCode::OK,
            "{parameters:?}: {}",
            response.text
        );
        assert_eq!(response.json(), json!({ "data": data }), "{parameters:?}");
    }
}

#[tokio::test]
async fn malformed_url_parameters_are_rejected() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    for parameters in [
        vec![],
        vec![("operationName", "A")],
        vec![("query", "{me{id}}"), ("query", "{serverInfo{appName}}")],
        vec![("query", "{me{id}}"), ("variables", "x")],
        vec![("query", "{me{id}}"), ("variables", "[1]")],
        vec![("query", "{me{id}}"), ("variables", "3")],
        vec![("query", "{me{id}}"), ("extensions", "\"x\"")],
        vec![("query", "{me{id}}"), ("extensions", "{")],
    ] {
        let response = get(&app, &parameters).await;
        let what = format!("{parameters:?}");
        assert_rejected(&response, StatusCode::BAD_REQUEST, "BAD_USER_INPUT", &what);
    }
}

/// Following a link changes nothing. (A mail would fail the test.)
#[tokio::test]
async fn mutations_do_not_run_by_get() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let signup = "mutation M { requestSignupCode(input: {email: \"ada@example.com\", name: \"Ada\"}) \
                  { errors { code } } }";
    let both = format!("query Q {{ me {{ id }} }} {signup}");
    for parameters in [
        vec![("query", signup)],
        vec![("query", &both), ("operationName", "M")],
        vec![("query", "subscription { me { id } }")],
    ] {
        let response = get(&app, &parameters).await;
        let what = format!("{parameters:?}");
        assert_rejected(
            &response,
            StatusCode::METHOD_NOT_ALLOWED,
            "BAD_USER_INPUT",
            &what,
        );
        assert_eq!(response.header("allow"), Some("POST"), "{what}");
    }
    let query = get(&app, &[("query", &both), ("operationName", "Q")]).await;
    assert_eq!(query.json(), json!({ "data": { "me": null } }));
}

/// Only JSON in UTF-8 is accepted, so that pages of other origins need a CORS preflight.
#[tokio::test]
async fn only_json_is_accepted() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let body = r#"{"query":"{me{id}}"}"#;
    let send = async |content_type: Option<&str>| {
        let request = app.request(Method::POST, "/graphql").body(body);
        Response::of(match content_type {
            Some(content_type) => request.header(CONTENT_TYPE, content_type),
            None => request,
        })
        .await
    };
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/json; charset=utf-8; version=1",
    ] {
        let response = send(Some(content_type)).await;
        assert_eq!(response.text, r#"{"data":{"me":null}}"#, "{content_type}");
    }
    for content_type in [
        None,
        Some(""),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/json; charset=latin1"),
        Some("application/json; charset=utf-16"),
        Some("application/graphql"),
        Some("application/graphql-response+json"),
        Some("application/jsonp"),
        Some("text/plain; application/json"),
        Some("text/plain, application/json"),
    ] {
        let response = send(content_type).await;
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        assert_rejected(
            &response,
            status,
            "BAD_USER_INPUT",
            &format!("{content_type:?}"),
        );
    }
}

/// A client that accepts neither media type gets 406.
#[tokio::test]
async fn the_media_type_follows_the_accept_header() {
    let deployment = Deployment::embedded().await;
    let app = deployment
        .start_with(&[("GRAPHIQL_ENABLED", "false")])
        .await;
    let body = json!({ "query": "{ me { id } }" });
    for (accept, media_type) in [
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        ("application/json; charset=utf-8", JSON),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        ("Application/GraphQL-Response+JSON", GRAPHQL_RESPONSE),
        (
            "application/graphql-response+json, application/json;q=0.9",
            GRAPHQL_RESPONSE,
        ),
        (
            "application/graphql-response+json;q=0.5, application/json;q=0.9",
            JSON,
        ),
        (
            "application/graphql-response+json, application/json;q=0",
            GRAPHQL_RESPONSE,
        ),
        ("application/graphql-response+json;q=0, */*", JSON),
        ("text/html, */*;q=0.1", JSON),
    ] {
        let response = post_accepting(&app, accept, &body).await;
        assert_eq!(response.status, StatusCode::OK, "{accept}");
        let expected = format!("{media_type}; charset=utf-8");
        assert_eq!(
            response.header("content-type"),
            Some(&*expected),
            "{accept}"
        );
    }
    for accept in [
        "image/png",
        "text/html",
        "application/json;q=0",
        "application/json;q=0, application/graphql-response+json;q=0.0",
        "nonsense",
        "",
    ] {
        let response = post_accepting(&app, accept, &body).await;
        assert_rejected(
            &response,
            StatusCode::NOT_ACCEPTABLE,
            "BAD_USER_INPUT",
            accept,
        );
        let html = app.request(Method::GET, "/graphql?query={me{id}}");
        let response = Response::of(html.header(ACCEPT, accept)).await;
        assert_eq!(response.status, StatusCode::NOT_ACCEPTABLE, "{accept}");
    }
    let two = app.request(Method::POST, "/graphql").json(&body);
    let two = two.header(ACCEPT, "text/html").header(ACCEPT, JSON);
    assert_eq!(Response::of(two).await.status, StatusCode::OK);
}
