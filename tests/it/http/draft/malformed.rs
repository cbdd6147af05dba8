//! What is no GraphQL request.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::Holds::Refusal;
use super::{GRAPHQL_RESPONSE, JSON, expect, get, post};
use crate::support::deployment::Deployment;

/// What is no GraphQL request has a status of its own in either media type, and a body that says
/// why.
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
        ("a body that ends early", post(&app, r#"{"query":"#), 400),
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
            "a name misspelt",
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
            "variables as text",
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
            "a list in the place of the map",
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
        ("the media type of answers", typed(GRAPHQL_RESPONSE), 415),
    ];
    for (rule, request, status) in rules {
        let refusal = Refusal("BAD_USER_INPUT");
        expect(rule, request.try_clone().unwrap(), JSON, status, &refusal).await;
        expect(rule, request, GRAPHQL_RESPONSE, status, &refusal).await;
    }
}

/// The same for what is wrong with the URL or the method, and for a client that may not ask.
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
            "GET with variables that are no JSON",
            get(&app, "query={me{id}}&variables=x"),
            400,
        ),
        (
            "GET with variables that are no map",
            get(&app, "query={me{id}}&variables=[7]"),
            400,
        ),
        (
            "GET with extensions that are no map",
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
        let refusal = Refusal("BAD_USER_INPUT");
        expect(rule, request.try_clone().unwrap(), JSON, status, &refusal).await;
        expect(rule, request, GRAPHQL_RESPONSE, status, &refusal).await;
    }
    let dead = "mutation{logout{endedSessionId}}";
    for accept in [JSON, GRAPHQL_RESPONSE] {
        let request = app.with_token("x").request(Method::POST, "/graphql");
        let request = request.json(&json!({ "query": dead }));
        let refusal = Refusal("UNAUTHENTICATED");
        expect("a client that may not ask", request, accept, 401, &refusal).await;
    }
}
