//! Malformed requests.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::Expected::Error;
use super::{GRAPHQL_RESPONSE, JSON, check, get, post};
use crate::support::deployment::Deployment;

/// The status is the same in both media types.
#[tokio::test]
async fn malformed_bodies_are_rejected() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let typed = |content_type: &str| {
        let request = app.request(Method::POST, "/graphql");
        request
            .header(CONTENT_TYPE, content_type)
            .body(r#"{"query":"{me{id}}"}"#)
    };
    let rules: Vec<(&str, RequestBuilder, u16)> = vec![
        ("a body that is not JSON", post(&app, "NONSENSE"), 400),
        ("a truncated body", post(&app, r#"{"query":"#), 400),
        ("an empty body", post(&app, ""), 400),
        (
            "a byte order mark",
            post(&app, "\u{feff}{\"query\":\"{me{id}}\"}"),
            400,
        ),
        (
            "a body that is not UTF-8",
            post(&app, b"{\"query\":\"{me{id}} # \xff\"}".as_slice()),
            400,
        ),
        ("UTF-16", post(&app, b"\xff\xfe{\0\"\0".as_slice()), 400),
        (
            "a misspelled name",
            post(&app, r#"{"qeury":"{me{id}}"}"#),
            400,
        ),
        (
            "query of another type",
            post(&app, r#"{"query":{"a":1}}"#),
            400,
        ),
        ("query null", post(&app, r#"{"query":null}"#), 400),
        (
            "variables of another type",
            post(&app, r#"{"query":"{me{id}}","variables":[7]}"#),
            400,
        ),
        (
            "variables as a string",
            post(&app, r#"{"query":"{me{id}}","variables":"{}"}"#),
            400,
        ),
        (
            "operationName of another type",
            post(&app, r#"{"query":"{me{id}}","operationName":7}"#),
            400,
        ),
        (
            "extensions of another type",
            post(&app, r#"{"query":"{me{id}}","extensions":7}"#),
            400,
        ),
        (
            "a parameter twice",
            post(&app, r#"{"query":"{me{id}}","query":"{nope}"}"#),
            400,
        ),
        ("a batch", post(&app, r#"[{"query":"{me{id}}"}]"#), 400),
        (
            "a list instead of a map",
            post(&app, r#"["{me{id}}",null,null,null]"#),
            400,
        ),
        (
            "no content type",
            app.request(Method::POST, "/graphql")
                .body(r#"{"query":"{me{id}}"}"#),
            415,
        ),
        ("a form", typed("application/x-www-form-urlencoded"), 415),
        ("text", typed("text/plain;charset=UTF-8"), 415),
        (
            "another charset",
            typed("application/json; charset=iso-8859-1"),
            415,
        ),
        ("the media type of responses", typed(GRAPHQL_RESPONSE), 415),
    ];
    for (rule, request, status) in rules {
        let expected = Error("BAD_USER_INPUT");
        check(rule, request.try_clone().unwrap(), JSON, status, &expected).await;
        check(rule, request, GRAPHQL_RESPONSE, status, &expected).await;
    }
}

/// The status is the same in both media types.
#[tokio::test]
async fn malformed_urls_and_methods_are_rejected() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let rules: Vec<(&str, RequestBuilder, u16)> = vec![
        ("GET without query", get(&app, "variables={}"), 400),
        (
            "GET without parameters",
            app.request(Method::GET, "/graphql"),
            400,
        ),
        (
            "GET with a parameter twice",
            get(&app, "query={me{id}}&query={nope}"),
            400,
        ),
        (
            "GET with variables that are not JSON",
            get(&app, "query={me{id}}&variables=x"),
            400,
        ),
        (
            "GET with variables that are not a map",
            get(&app, "query={me{id}}&variables=[7]"),
            400,
        ),
        (
            "GET with extensions that are not a map",
            get(&app, "query={me{id}}&extensions=7"),
            400,
        ),
        (
            "a mutation by GET",
            get(&app, "query=mutation{logout{endedSessionId}}"),
            405,
        ),
        (
            "a mutation by GET, chosen by name",
            get(
                &app,
                "query=query+A{me{id}}+mutation+B{logout{endedSessionId}}&operationName=B",
            ),
            405,
        ),
        ("PUT", app.request(Method::PUT, "/graphql").body("{}"), 405),
        (
            "OPTIONS without an origin",
            app.request(Method::OPTIONS, "/graphql"),
            405,
        ),
    ];
    for (rule, request, status) in rules {
        let expected = Error("BAD_USER_INPUT");
        check(rule, request.try_clone().unwrap(), JSON, status, &expected).await;
        check(rule, request, GRAPHQL_RESPONSE, status, &expected).await;
    }
    let protected = "mutation{logout{endedSessionId}}";
    for accept in [JSON, GRAPHQL_RESPONSE] {
        let request = app.with_token("x").request(Method::POST, "/graphql");
        let request = request.json(&json!({ "query": protected }));
        let expected = Error("UNAUTHENTICATED");
        check("an invalid token", request, accept, 401, &expected).await;
    }
}
