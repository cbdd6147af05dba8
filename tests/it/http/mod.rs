//! GraphQL over HTTP: which requests run, and how the others are refused.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::support::client::{Client, Response};
use crate::support::deployment::Deployment;

mod answers;
mod bodies;
mod compression;
mod connections;
mod draft;
mod failures;
mod headers;
mod pages;
mod proxies;
mod tls;
mod tokens;

const JSON: &str = "application/json";
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// What must be true of every refusal: contract rule 3, and no `data` key.
fn assert_refused(response: &Response, status: StatusCode, code: &str, what: &str) {
    assert_eq!(response.status, status, "{what}: {}", response.text);
    let body = response.json();
    let errors = body["errors"].as_array().expect("there are errors");
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

/// A query by GET.
async fn get(client: &Client, parameters: &[(&str, &str)]) -> Response {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let request = client.request(Method::GET, &format!("/graphql?{query}"));
    Response::of(request.header(ACCEPT, JSON)).await
}

/// A query by POST, with an `Accept` header.
async fn post_accepting(client: &Client, accept: &str, body: &Value) -> Response {
    let request = client.request(Method::POST, "/graphql").json(body);
    Response::of(request.header(ACCEPT, accept)).await
}

/// Other methods than GET and POST are refused, and told which to use.
#[tokio::test]
async fn only_get_and_post_are_answered() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = app.request(method.clone(), "/graphql?query={me{id}}");
        let response = Response::of(request).await;
        let refused = StatusCode::METHOD_NOT_ALLOWED;
        assert_refused(&response, refused, "BAD_USER_INPUT", method.as_str());
        assert_eq!(response.header("allow"), Some("GET, POST"), "{method}");
    }
    let head = Response::of(app.request(Method::HEAD, "/graphql?query={me{id}}")).await;
    assert_eq!(head.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(head.text, "");
}

/// GET takes the same parameters as POST, as the draft spells them.
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

/// What cannot be read from the URL is refused, not guessed at.
#[tokio::test]
async fn malformed_parameters_of_the_url_are_refused() {
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
        assert_refused(&response, StatusCode::BAD_REQUEST, "BAD_USER_INPUT", &what);
    }
}

/// A link that somebody is led to click changes nothing. (The app would notice a mail.)
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
        assert_refused(
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

/// Only JSON in UTF-8 is read, so that no page of another origin can send anything without a
/// preflight, and nothing is misread.
#[tokio::test]
async fn only_json_is_read() {
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
        assert_refused(
            &response,
            status,
            "BAD_USER_INPUT",
            &format!("{content_type:?}"),
        );
    }
}

/// The client has a say in how the answer is written; who takes neither form is told so.
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
        assert_refused(
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
