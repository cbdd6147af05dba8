//! Internal errors, and the log of rejected requests.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::client::Response;
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::process::Process;

const JSON_LOG: [(&str, &str); 2] = [("LOG_FORMAT", "json"), ("LOG_LEVEL", "INFO")];

on_both_deployments! {
    /// When the database fails, the client gets the request ID, and the log has the cause.
    async fn internal_errors_hide_their_cause(deployment: Deployment) {
        let server = deployment.spawn(&["serve"], &JSON_LOG).await;
        let database = deployment.database().await;
        for table in ["outbox_mails", "sessions", "verification_codes", "users"] {
            database.execute_unprepared(&format!("ALTER TABLE {table} RENAME TO {table}_renamed")).await.unwrap();
        }
        let signup = "mutation { requestSignupCode(input: {email: \"ada@example.com\", name: \"Ada\"}) { challenge { email } errors { code } } }";
        let login = json!({ "query": "mutation { login: verifyLoginCode(input: {email: \"ada@example.com\", code: \"123456\"}) { errors { code } } }" });
        for body in [json!({ "query": signup }), login] {
            let request = server.request(Method::POST, "/graphql").json(&body);
            let response = Response::of(request).await;
            assert_eq!(response.status, StatusCode::OK, "{}", response.text);
            let error = &response.json()["errors"][0];
            assert_eq!(error["message"], "Something went wrong on our side.", "{}", response.text);
            let id = response.header("x-request-id").unwrap();
            assert_eq!(error["extensions"], json!({ "code": "INTERNAL", "requestId": id }));
            assert!(error["path"][0].is_string(), "{error}");
            assert_eq!(response.json()["data"], Value::Null);
            let text = response.text.to_lowercase();
            for detail in ["sql", "table", "users", "outbox", "relation", "select", "database", "src/"] {
                assert!(!text.contains(detail), "{detail}: {text}");
            }
            let lines = server.request_log(id).await;
            let internal: Vec<_> = lines.iter().filter(|line| line["event"] == "internal_error").collect();
            assert_eq!(internal.len(), 1, "{lines:?}");
            let cause = internal[0]["error"].as_str().unwrap();
            assert!(["verification_codes", "users"].iter().any(|table| cause.contains(table)), "{cause}");
        }
    }

    /// A token that cannot be checked is not reported as invalid, because the client would discard it.
    async fn a_token_is_not_rejected_while_the_database_fails(deployment: Deployment) {
        let app = deployment.start().await;
        let tokens = app.sign_up("ada@example.com").await;
        app.stop().await;
        // Without the cache, the session must be read from the database.
        if let Some(redis) = &deployment.redis {
            redis.flush().await;
        }
        let server = deployment.spawn(&["serve"], &JSON_LOG).await;
        let database = deployment.database().await;
        database.execute_unprepared("ALTER TABLE sessions RENAME TO sessions_renamed").await.unwrap();
        let query = "mutation { logout { endedSessionId } }";
        let response = server.with_token(&tokens.access).post(query, Value::Null).await;
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE, "{}", response.text);
        assert_eq!(response.code(), "INTERNAL");
        assert!(!response.text.contains("sessions"), "{}", response.text);
    }
}

/// At INFO, the log has one line with the reason for each rejected request and none for others.
#[tokio::test]
async fn a_rejected_request_logs_one_line() {
    let deployment = Deployment::embedded().await;
    let server = deployment.spawn(&["serve"], &JSON_LOG).await;
    let post = |body: &str| {
        let request = server
            .request(Method::POST, "/graphql")
            .body(body.to_owned());
        request.header(CONTENT_TYPE, "application/json")
    };
    let query = |query: &str| post(&json!({ "query": query }).to_string());
    let input = "BAD_USER_INPUT";
    let rejected: Vec<(RequestBuilder, u16, Option<&str>)> = vec![
        (server.request(Method::PUT, "/graphql"), 405, Some(input)),
        (
            server.request(
                Method::GET,
                "/graphql?query=mutation{logout{endedSessionId}}",
            ),
            405,
            Some(input),
        ),
        (
            server.request(Method::GET, "/graphql?variables=x"),
            400,
            Some(input),
        ),
        (
            server.request(Method::POST, "/graphql").body("{}"),
            415,
            Some(input),
        ),
        (
            query("{me{id}}").header(ACCEPT, "image/png"),
            406,
            Some(input),
        ),
        (post("{"), 400, Some(input)),
        (post("[]"), 400, Some(input)),
        (
            post(&format!("\"{}\"", "x".repeat(300_000))),
            413,
            Some(input),
        ),
        (query("{"), 200, Some("GRAPHQL_PARSE_FAILED")),
        (query("{nope}"), 200, Some("GRAPHQL_VALIDATION_FAILED")),
        (
            query(&format!("{{me{{id}}}} #{}", "x".repeat(70_000))),
            200,
            Some("QUERY_TOO_COMPLEX"),
        ),
        (query("query A{me{id}} query B{me{id}}"), 200, Some(input)),
        (
            query("query A($b: Boolean!){me @skip(if: $b) {id}}"),
            200,
            Some(input),
        ),
        (
            post(r#"{"extensions":{"persistedQuery":{}}}"#),
            400,
            Some(input),
        ),
        (server.request(Method::GET, "/no/such/path"), 404, None),
        (server.request(Method::POST, "/healthz"), 405, None),
    ];
    for (request, status, reason) in rejected {
        let response = Response::of(request).await;
        assert_eq!(response.status.as_u16(), status, "{}", response.text);
        let line = only_line(&server, &response).await;
        assert_eq!(line["event"], "request_refused", "{line}");
        assert_eq!(line["status"], status, "{line}");
        assert_eq!(line.get("reason").and_then(Value::as_str), reason, "{line}");
        assert_eq!(line["ip_address"], "127.0.0.1", "{line}");
        assert!(line["detail"].as_str().unwrap().contains(" /"), "{line}");
    }

    // A rejected token has an additional event.
    let invalid =
        query("mutation{logout{endedSessionId}}").header(AUTHORIZATION, "Bearer a-canary");
    let response = Response::of(invalid).await;
    let lines = server
        .request_log(response.header("x-request-id").unwrap())
        .await;
    let events: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["token_rejected", "request_refused"]);
    assert!(!server.output().contains("a-canary"));

    let good = Response::of(query("{me{id}}").header("x-request-id", "good")).await;
    assert_eq!(good.status, StatusCode::OK);
    // Logged after everything about the previous request.
    let marker = Response::of(server.request(Method::GET, "/no/such/path")).await;
    only_line(&server, &marker).await;
    assert!(!server.output().contains("\"good\""), "{}", server.output());
}

async fn only_line(server: &Process, response: &Response) -> Value {
    let lines = server
        .request_log(response.header("x-request-id").unwrap())
        .await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}
