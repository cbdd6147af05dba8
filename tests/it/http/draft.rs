//! GraphQL over HTTP, rule by rule: each test says which rule of the draft it holds us to. Where
//! its edition of September 2026 went on, we stay with what clients know: 400, not 422, for a
//! document that is not valid, and 200, not 294, for an answer with data and errors.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{GRAPHQL_RESPONSE, JSON};
use crate::support::app::TestApp;
use crate::support::client::Response;
use crate::support::deployment::Deployment;

mod malformed;

/// What an answer holds.
enum Holds {
    /// `data` alone.
    Data(Value),
    /// `data` and errors with a path.
    Partial(Value),
    /// Errors of this code, and no `data`.
    Refusal(&'static str),
}

use Holds::{Data, Partial, Refusal};

/// Sends a request and looks at all of its answer.
async fn expect(rule: &str, request: RequestBuilder, accept: &str, status: u16, holds: &Holds) {
    let response = Response::of(request.header(ACCEPT, accept)).await;
    let what = format!("{rule} ({accept}): {}", response.text);
    assert_eq!(response.status, status, "{what}");
    let content_type = response.header("content-type").unwrap_or_default();
    assert_eq!(content_type, format!("{accept}; charset=utf-8"), "{what}");
    let body = response.json();
    match holds {
        Data(data) => assert_eq!(body, json!({ "data": data }), "{what}"),
        Partial(data) => {
            assert_eq!(body["data"], *data, "{what}");
            assert!(body["errors"][0]["path"].is_array(), "{what}");
        }
        Refusal(code) => {
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

/// What runs is answered with 200 in either media type, also if something of it failed.
#[tokio::test]
async fn executed_documents_follow_the_draft() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let me = || Data(json!({ "me": null }));
    let run: Vec<(&str, RequestBuilder, Holds)> = vec![
        (
            "POST with JSON is accepted",
            post(&app, r#"{"query":"{me{id}}"}"#),
            me(),
        ),
        (
            "operationName, variables and extensions are optional, null is as good as none",
            post(
                &app,
                r#"{"query":"{me{id}}","operationName":null,"variables":null,"extensions":null}"#,
            ),
            me(),
        ),
        (
            "operationName selects",
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
            "additional properties are passed over, extensions too",
            post(
                &app,
                r#"{"query":"{me{id}}","documentId":"x","extensions":{"x":{"y":[1]}}}"#,
            ),
            me(),
        ),
        (
            "UTF-8 is assumed, and escapes are JSON's",
            post(&app, r#"{"query":"{\u006de{id}} # é"}"#),
            me(),
        ),
        (
            "GET has its parameters in the URL",
            get(&app, "query=%7Bme%7Bid%7D%7D"),
            me(),
        ),
        (
            "a URL is read as URLSearchParams does: + is a blank, %2B a plus",
            get(
                &app,
                "query=query+A%7Bme%7Bid%7D%7D+%23+%2B&operationName=A",
            ),
            me(),
        ),
        (
            "an empty operationName is none",
            get(&app, "query={me{id}}&operationName="),
            me(),
        ),
        (
            "operationName=null is the operation of that name",
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
            "an error while running leaves the rest of the data",
            post(&app, r#"{"query":"{me{id} team(id:\"x\"){id}}"}"#),
            Partial(json!({ "me": null, "team": null })),
        ),
        (
            "an error while running may leave nothing of the data",
            post(&app, r#"{"query":"{sessions{id}}"}"#),
            Partial(Value::Null),
        ),
    ];
    for (rule, request, holds) in run {
        expect(rule, request.try_clone().unwrap(), JSON, 200, &holds).await;
        expect(rule, request, GRAPHQL_RESPONSE, 200, &holds).await;
    }
}

/// A document that does not run is 200 where the client knows JSON only, and 400 with the media
/// type of GraphQL.
#[tokio::test]
async fn rejected_documents_follow_the_draft() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let not_run = [
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
            "a document with a byte order mark alone",
            r#"{"query":"\ufeff"}"#,
            "GRAPHQL_PARSE_FAILED",
        ),
        (
            "a document that is not valid",
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
            "an operation that is not there",
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
    for (rule, body, code) in not_run {
        expect(rule, post(&app, body), JSON, 200, &Refusal(code)).await;
        expect(
            rule,
            post(&app, body),
            GRAPHQL_RESPONSE,
            400,
            &Refusal(code),
        )
        .await;
    }
}

/// Who does not say what to answer with gets what was made for GraphQL; who takes anything gets
/// what everybody can read.
#[tokio::test]
async fn the_default_media_type_follows_the_draft() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let body = r#"{"query":"{nope}"}"#;
    let silent = app
        .raw(&format!(
            "POST /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    assert!(silent.starts_with("HTTP/1.1 400 "), "{silent}");
    let content_type = format!("content-type: {GRAPHQL_RESPONSE}; charset=utf-8\r\n");
    assert!(silent.to_lowercase().contains(&content_type), "{silent}");

    let anything = Response::of(post(&app, body).header(ACCEPT, "*/*")).await;
    assert_eq!(anything.status, 200);
    let content_type = anything.header("content-type").unwrap();
    assert_eq!(content_type, format!("{JSON}; charset=utf-8"));
}

/// HEAD asks for nothing that GET would not tell.
#[tokio::test]
async fn head_responses_have_no_body() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let response = Response::of(app.request(Method::HEAD, "/graphql?query={me{id}}")).await;
    assert_eq!((response.status.as_u16(), &*response.text), (405, ""));
    assert_eq!(response.header("allow"), Some("GET, POST"));
}
