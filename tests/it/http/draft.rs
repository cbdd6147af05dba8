//! The rules of the GraphQL-over-HTTP draft. Two status codes differ from its edition of September
//! 2026, because clients expect the older ones: an invalid document has 400, not 422, and a response
//! with data and errors has 200, not 294.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{GRAPHQL_RESPONSE, JSON};
use crate::support::app::TestApp;
use crate::support::client::Response;
use crate::support::deployment::Deployment;

mod malformed;

/// The expected body of a response.
enum Expected {
    /// `data` alone.
    Data(Value),
    /// `data` and errors with a path.
    Partial(Value),
    /// Errors with this code, and no `data`.
    Error(&'static str),
}

use Expected::{Data, Error, Partial};

/// Sends a request and checks its status, content type and body.
async fn check(
    rule: &str,
    request: RequestBuilder,
    accept: &str,
    status: u16,
    expected: &Expected,
) {
    let response = Response::of(request.header(ACCEPT, accept)).await;
    let what = format!("{rule} ({accept}): {}", response.text);
    assert_eq!(response.status, status, "{what}");
    let content_type = response.header("content-type").unwrap_or_default();
    assert_eq!(content_type, format!("{accept}; charset=utf-8"), "{what}");
    let body = response.json();
    match expected {
        Data(data) => assert_eq!(body, json!({ "data": data }), "{what}"),
        Partial(data) => {
            assert_eq!(body["data"], *data, "{what}");
            assert!(body["errors"][0]["path"].is_array(), "{what}");
        }
        Error(code) => {
            assert_eq!(response.code(), *code, "{what}");
            assert!(body.get("data").is_none(), "{what}");
            assert!(body["errors"][0].get("path").is_none(), "{what}");
        }
    }
}

fn post(app: &TestApp, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = app.request(Method::POST, "/graphql");
    request.header(CONTENT_TYPE, JSON).body(body)
}

fn get(app: &TestApp, query: &str) -> RequestBuilder {
    app.request(Method::GET, &format!("/graphql?{query}"))
}

/// An executed document has status 200 in both media types, even with execution errors.
#[tokio::test]
async fn executed_documents_follow_the_draft() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let me = || Data(json!({ "me": null }));
    let executed: Vec<(&str, RequestBuilder, Expected)> = vec![
        (
            "POST with JSON is accepted",
            post(&app, r#"{"query":"{me{id}}"}"#),
            me(),
        ),
        (
            "operationName, variables and extensions may be null",
            post(
                &app,
                r#"{"query":"{me{id}}","operationName":null,"variables":null,"extensions":null}"#,
            ),
            me(),
        ),
        (
            "operationName selects an operation",
            post(
                &app,
                r#"{"query":"query A{me{id}} query B{__typename}","operationName":"B"}"#,
            ),
            Data(json!({ "__typename": "Query" })),
        ),
        (
            "variables are a map",
            post(
                &app,
                r#"{"query":"query($x:Boolean!){me{id} serverInfo @include(if:$x) {appName}}","variables":{"x":false}}"#,
            ),
            me(),
        ),
        (
            "additional properties and unknown extensions are ignored",
            post(
                &app,
                r#"{"query":"{me{id}}","documentId":"x","extensions":{"x":{"y":[1]}}}"#,
            ),
            me(),
        ),
        (
            "UTF-8 and JSON escapes are decoded",
            post(&app, r#"{"query":"{\u006de{id}} # é"}"#),
            me(),
        ),
        (
            "GET has its parameters in the URL",
            get(&app, "query=%7Bme%7Bid%7D%7D"),
            me(),
        ),
        (
            "the URL is decoded like URLSearchParams: + is a space, %2B a plus",
            get(
                &app,
                "query=query+A%7Bme%7Bid%7D%7D+%23+%2B&operationName=A",
            ),
            me(),
        ),
        (
            "an empty operationName in the URL is ignored",
            get(&app, "query={me{id}}&operationName="),
            me(),
        ),
        (
            "operationName=null in the URL selects the operation null",
            get(
                &app,
                "query=query+null{me{id}}+query+b{__typename}&operationName=null",
            ),
            me(),
        ),
        (
            "variables and extensions are JSON in the URL",
            get(
                &app,
                "query=query($x:Boolean!){me{id}+serverInfo+@include(if:$x){appName}}&variables={%22x%22:false}&extensions={}",
            ),
            me(),
        ),
        (
            "an execution error leaves the other data",
            post(&app, r#"{"query":"{me{id} team(id:\"x\"){id}}"}"#),
            Partial(json!({ "me": null, "team": null })),
        ),
        (
            "an execution error may make data null",
            post(&app, r#"{"query":"{sessions{id}}"}"#),
            Partial(Value::Null),
        ),
    ];
    for (rule, request, expected) in executed {
        check(rule, request.try_clone().unwrap(), JSON, 200, &expected).await;
        check(rule, request, GRAPHQL_RESPONSE, 200, &expected).await;
    }
}

/// A request error has status 200 with JSON and 400 with the media type of GraphQL.
#[tokio::test]
async fn rejected_documents_follow_the_draft() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let rejected = [
        (
            "a document that cannot be parsed",
            r#"{"query":"{"}"#,
            "GRAPHQL_PARSE_FAILED",
        ),
        (
            "a document that is empty",
            r#"{"query":""}"#,
            "GRAPHQL_PARSE_FAILED",
        ),
        (
            "a document with only a byte order mark",
            r#"{"query":"\ufeff"}"#,
            "GRAPHQL_PARSE_FAILED",
        ),
        (
            "an invalid document",
            r#"{"query":"{nope}"}"#,
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "a literal of another type",
            r#"{"query":"mutation{login(input:3){errors{code}}}"}"#,
            "BAD_USER_INPUT",
        ),
        (
            "a scalar of another type",
            r#"{"query":"{teams(first:\"x\"){totalCount}}"}"#,
            "BAD_USER_INPUT",
        ),
        (
            "an operation that cannot be determined",
            r#"{"query":"query A{me{id}} query B{me{id}}"}"#,
            "BAD_USER_INPUT",
        ),
        (
            "an operation that does not exist",
            r#"{"query":"query A{me{id}}","operationName":"B"}"#,
            "BAD_USER_INPUT",
        ),
        (
            "a variable that cannot be coerced",
            r#"{"query":"query($i:ID!){team(id:$i){id}}","variables":{"i":null}}"#,
            "BAD_USER_INPUT",
        ),
        (
            "a variable of another type",
            r#"{"query":"query($i:Int){teams(first:$i){totalCount}}","variables":{"i":"x"}}"#,
            "BAD_USER_INPUT",
        ),
        (
            "a subscription",
            r#"{"query":"subscription{me{id}}"}"#,
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ];
    for (rule, body, code) in rejected {
        check(rule, post(&app, body), JSON, 200, &Error(code)).await;
        check(rule, post(&app, body), GRAPHQL_RESPONSE, 400, &Error(code)).await;
    }
}

/// Without `Accept`, the response has the media type of GraphQL; with `*/*`, it has JSON.
#[tokio::test]
async fn the_default_media_type_follows_the_draft() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let body = r#"{"query":"{nope}"}"#;
    let default = app
        .raw(&format!(
            "POST /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    assert!(default.starts_with("HTTP/1.1 400 "), "{default}");
    let content_type = format!("content-type: {GRAPHQL_RESPONSE}; charset=utf-8\r\n");
    assert!(default.to_lowercase().contains(&content_type), "{default}");

    let anything = Response::of(post(&app, body).header(ACCEPT, "*/*")).await;
    assert_eq!(anything.status, 200);
    let content_type = anything.header("content-type").unwrap();
    assert_eq!(content_type, format!("{JSON}; charset=utf-8"));
}
