//! Status, errors and data of GraphQL responses.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{GRAPHQL_RESPONSE, JSON, assert_rejected, post_accepting};
use crate::support::deployment::Deployment;

/// A request error has status 400 with the media type of GraphQL and 200 with JSON.
#[tokio::test]
async fn request_errors_have_no_data() {
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
        assert_rejected(&response, StatusCode::BAD_REQUEST, code, &what);
        let response = post_accepting(&app, JSON, &body).await;
        assert_rejected(&response, StatusCode::OK, code, &what);
    }
}

/// The message is one line.
#[tokio::test]
async fn syntax_errors_have_a_location() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let response = app.post("{\n  me { id", Value::Null).await.json();
    let error = &response["errors"][0];
    assert_eq!(error["locations"], json!([{ "line": 2, "column": 10 }]));
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("Syntax error: expected "), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[tokio::test]
async fn fields_are_in_the_order_of_the_document() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let ada = app.with_token(&app.sign_up("ada@example.com").await.access);
    let query = "{ me { name email __typename } serverInfo { version: appName appName: codeLength } again: me { email name } }";
    let text = ada.post(query, Value::Null).await.text;
    let expected = r#"{"data":{"me":{"name":"Ada Lovelace","email":"ada@example.com","__typename":"User"},"serverInfo":{"version":"Gatelodge","appName":6},"again":{"email":"ada@example.com","name":"Ada Lovelace"}}}"#;
    assert_eq!(text, expected);
}

/// Execution errors are next to `data`, with status 200 in both media types.
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
