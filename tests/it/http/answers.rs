//! What an answer says: its status, its errors, and its data in order.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{GRAPHQL_RESPONSE, JSON, assert_refused, post_accepting};
use crate::support::deployment::Deployment;

/// What does not get to run is 400 for clients that know the media type of GraphQL, and 200 for
/// those that know JSON only; it never has data.
#[tokio::test]
async fn a_document_that_does_not_run_has_no_data() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let login = "mutation M($input: RequestLoginCodeInput!) { requestLoginCode(input: $input) { errors { code } } }";
    for (body, code) in [
        (json!({ "query": "" }), "GRAPHQL_PARSE_FAILED"),
        (json!({ "query": "{" }), "GRAPHQL_PARSE_FAILED"),
        (json!({ "query": "{ me { id }" }), "GRAPHQL_PARSE_FAILED"),
        (json!({ "query": "# nothing" }), "GRAPHQL_PARSE_FAILED"),
        (
            json!({ "query": "{me{id}} {me{id}}" }),
            "GRAPHQL_PARSE_FAILED",
        ),
        (
            json!({ "query": "type A { b: Int }" }),
            "GRAPHQL_PARSE_FAILED",
        ),
        (json!({ "query": "{ nope }" }), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "query": "{ me }" }), "GRAPHQL_VALIDATION_FAILED"),
        (
            json!({ "query": "{ me { id @skip(if: false) @skip(if: false) } }" }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({ "query": "{ me { id { x } } }" }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({ "query": "{ me { ...A } }" }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({ "query": "query Q($a: Nope) { me { id } }" }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({ "query": "mutation { requestLoginCode { errors { code } } }" }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({ "query": "subscription { me { id } }" }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({ "query": login, "variables": { "input": 3 } }),
            "BAD_USER_INPUT",
        ),
        (
            json!({ "query": login, "variables": { "input": { "email": 3 } } }),
            "BAD_USER_INPUT",
        ),
        (
            json!({ "query": login, "variables": { "input": { "email": "a", "x": 1 } } }),
            "BAD_USER_INPUT",
        ),
        (
            json!({ "query": login, "variables": { "input": {} } }),
            "BAD_USER_INPUT",
        ),
        (json!({ "query": login }), "BAD_USER_INPUT"),
        (
            json!({ "query": "query A { me { id } }", "operationName": "B" }),
            "BAD_USER_INPUT",
        ),
        (
            json!({ "query": "{ me { id } }", "operationName": "A" }),
            "BAD_USER_INPUT",
        ),
        (
            json!({ "query": "query A { me { id } } query B { me { id } }" }),
            "BAD_USER_INPUT",
        ),
    ] {
        let what = body.to_string();
        let response = post_accepting(&app, GRAPHQL_RESPONSE, &body).await;
        assert_refused(&response, StatusCode::BAD_REQUEST, code, &what);
        let response = post_accepting(&app, JSON, &body).await;
        assert_refused(&response, StatusCode::OK, code, &what);
    }
}

/// A syntax error says where it is, in a line.
#[tokio::test]
async fn a_syntax_error_says_where_it_is() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let response = app.post("{\n  me { id", Value::Null).await.json();
    let error = &response["errors"][0];
    assert_eq!(error["locations"], json!([{ "line": 2, "column": 10 }]));
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("Syntax error: expected "), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

/// Fields come in the order in which they were asked for, whichever is ready first.
#[tokio::test]
async fn fields_come_in_the_order_asked_for() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let ada = app.with_token(&app.sign_up("ada@example.com").await.access);
    let query = "{ me { name email __typename } serverInfo { version: appName appName: codeLength } again: me { email name } }";
    let text = ada.post(query, Value::Null).await.text;
    let expected = r#"{"data":{"me":{"name":"Ada Lovelace","email":"ada@example.com","__typename":"User"},"serverInfo":{"version":"Gatelodge","appName":6},"again":{"email":"ada@example.com","name":"Ada Lovelace"}}}"#;
    assert_eq!(text, expected);
}

/// What fails while it runs is an error at its path, beside `data`, with status 200 in any form.
#[tokio::test]
async fn execution_errors_have_a_path() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let body = json!({ "query": "mutation { end: logout { endedSessionId } }" });
    for accept in [JSON, GRAPHQL_RESPONSE] {
        let response = post_accepting(&app, accept, &body).await;
        assert_eq!(response.status, StatusCode::OK, "{accept}");
        let body = response.json();
        assert_eq!(body["data"], Value::Null);
        assert!(body.as_object().unwrap().contains_key("data"), "{body}");
        let error = &body["errors"][0];
        assert_eq!(error["path"], json!(["end"]));
        assert_eq!(error["extensions"]["code"], "UNAUTHENTICATED");
        assert_eq!(error["extensions"]["reason"], "MISSING");
        let id = response.header("x-request-id").unwrap();
        assert_eq!(error["extensions"]["requestId"], id);
    }
}
