//! The settings that say how much one request may ask for.

use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

/// Each limit can be set, holds exactly, and is named where it refuses.
#[tokio::test]
async fn every_limit_is_a_setting() {
    let deployment = Deployment::embedded().await;
    let padded = |bytes: usize| format!("{{me{{id}}}}#{}", "x".repeat(bytes - 9));
    for (setting, value, good, bad) in [
        ("GRAPHQL_MAX_BYTES", "1024", padded(1024), padded(1025)),
        (
            "GRAPHQL_MAX_TOKENS",
            "6",
            "{me{id}}".into(),
            "{me{id}}{".into(),
        ),
        (
            "GRAPHQL_MAX_NESTING",
            "4",
            "{a(b:[[1]])}".into(),
            "{a(b:[[[1]]])}".into(),
        ),
        (
            "GRAPHQL_MAX_ALIASES",
            "1",
            "{a:me{id}}".into(),
            "{a:me{b:id}}".into(),
        ),
        (
            "GRAPHQL_MAX_DIRECTIVES",
            "1",
            "{me@skip(if:true){id}}".into(),
            "{me@skip(if:true){id@skip(if:true)}}".into(),
        ),
        (
            "GRAPHQL_MAX_SPREADS",
            "1",
            "{...{me{id}}}".into(),
            "{...{...{me{id}}}}".into(),
        ),
        (
            "GRAPHQL_MAX_ROOT_FIELDS",
            "1",
            "{me{id}}".into(),
            "{me{id} serverInfo{appName}}".into(),
        ),
        (
            "GRAPHQL_MAX_EXPANDED_SELECTIONS",
            "3",
            "{me{id name}}".into(),
            "{me{id name email}}".into(),
        ),
        (
            "GRAPHQL_MAX_DEPTH",
            "4",
            "{__schema{types{fields{name}}}}".into(),
            "{__schema{types{fields{type{name}}}}}".into(),
        ),
        (
            "GRAPHQL_MAX_COMPLEXITY",
            "3",
            "{me{id name}}".into(),
            "{me{id name email}}".into(),
        ),
    ] {
        let app = deployment.start_with(&[(setting, value)]).await;
        let response = app.post(&good, Value::Null).await;
        assert_ne!(
            response.code(),
            "QUERY_TOO_COMPLEX",
            "{setting}: {}",
            response.text
        );
        let response = app.post(&bad, Value::Null).await;
        assert_eq!(
            response.code(),
            "QUERY_TOO_COMPLEX",
            "{setting}: {}",
            response.text
        );
        let error = &response.json()["errors"][0];
        assert_eq!(error["extensions"]["limit"], setting, "{error}");
        assert!(
            error["message"].as_str().unwrap().contains(value),
            "{error}"
        );
    }
}

/// A list counts as often as it may have items, wherever its size is said: as a literal, by a
/// variable, by a variable's default, or not at all; and a list in a list multiplies.
#[tokio::test]
async fn complexity_multiplies_with_the_size_of_lists() {
    let deployment = Deployment::embedded().await;
    // A page costs 1, each of its items what `nodes { role }` costs: 2.
    let app = deployment
        .start_with(&[("GRAPHQL_MAX_COMPLEXITY", "41")])
        .await;
    let nested = "teams(first: 3) { nodes { team { members(first: 5) { nodes { role } } } } }";
    for (document, variables, fits) in [
        ("{ teams(first: 20) { nodes { role } } }", json!({}), true),
        ("{ teams(first: 21) { nodes { role } } }", json!({}), false),
        ("{ teams(last: 21) { nodes { role } } }", json!({}), false),
        ("{ teams { nodes { role } } }", json!({}), true),
        ("{ teams { nodes { role joinedAt } } }", json!({}), false),
        (
            "query($n: Int) { teams(first: $n) { nodes { role } } }",
            json!({ "n": 20 }),
            true,
        ),
        (
            "query($n: Int) { teams(first: $n) { nodes { role } } }",
            json!({ "n": 21 }),
            false,
        ),
        (
            "query($n: Int = 20) { teams(first: $n) { nodes { role } } }",
            json!({}),
            true,
        ),
        (
            "query($n: Int = 21) { teams(first: $n) { nodes { role } } }",
            json!({}),
            false,
        ),
        (
            "query($n: Int = 21) { teams(first: $n) { nodes { role } } }",
            json!({ "n": 1 }),
            true,
        ),
        (
            "query($n: Int = 1) { teams(first: $n) { nodes { role } } }",
            json!({ "n": 21 }),
            false,
        ),
        (
            "{ ...A } fragment A on Query { teams(first: 21) { ...B } } fragment B on TeamMembershipConnection { nodes { role } }",
            json!({}),
            false,
        ),
        (
            "{ a: teams(first: 10) { nodes { role } } b: teams(first: 10) { nodes { role } } }",
            json!({}),
            false,
        ),
        // A negative size, or none at all, is no way out.
        (
            "{ teams(first: -1) { nodes { role joinedAt } } }",
            json!({}),
            false,
        ),
        (
            "{ teams(first: null) { nodes { role joinedAt } } }",
            json!({}),
            false,
        ),
        (nested, json!({}), true),
    ] {
        let document = if document == nested {
            format!("{{ {nested} }}")
        } else {
            document.to_owned()
        };
        let response = app.post(&document, variables.clone()).await;
        let refused = response.code() == "QUERY_TOO_COMPLEX";
        assert_eq!(refused, !fits, "{document} {variables}: {}", response.text);
    }
    let more = format!("{{ {} }}", nested.replace("first: 5", "first: 6"));
    assert_eq!(
        app.post(&more, Value::Null).await.code(),
        "QUERY_TOO_COMPLEX"
    );
}

/// A variable is copied wherever a document names it, so a long one that is named often is refused
/// before that: a body of 256 KiB would else take gigabytes. The value may also be the default.
#[tokio::test]
async fn long_variables_are_not_multiplied() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let many = |what: &str, count: usize| vec![what; count].join(" ");
    let named = |count| {
        format!(
            "query($v: [String]) {{ invitation(token: [{}]) {{ email }} }}",
            many("$v", count)
        )
    };
    let by_default = format!(
        "query($v: [Int] = [{}]) {{ invitation(token: [{}]) {{ email }} }}",
        many("1", 1500),
        many("$v", 1000)
    );
    let nested = vec![Value::Array(Vec::new()); 20_000];
    for (document, variables) in [
        (named(100), json!({ "v": nested })),
        (named(100), json!({ "v": "x".repeat(100_000) })),
        (named(100), json!({ "v": [{ "a": nested }] })),
        (by_default, json!({})),
    ] {
        let response = app.post(&document, variables).await;
        assert_eq!(response.code(), "QUERY_TOO_COMPLEX", "{}", response.text);
        let message = response.json()["errors"][0]["message"].to_string();
        assert!(message.contains("variables are too long"), "{message}");
    }
    // Long, or often, is fine.
    let once = "query($v: String!) { invitation(token: $v) { email } }";
    let long = app.run(once, json!({ "v": "x".repeat(200_000) })).await;
    assert_eq!(long["invitation"], Value::Null);
    let often = format!(
        "query($v: String!) {{ {} }}",
        many("invitation(token: $v) { email }", 40)
    );
    let often = app.run(&often, json!({ "v": "x".repeat(2_000) })).await;
    assert_eq!(often["invitation"], Value::Null);
}

on_both_deployments! {
    /// An operation that waits for something, here for a row that somebody else holds, is given up
    /// in time, and the next one is answered.
    async fn an_operation_times_out(deployment: Deployment) {
        let app = deployment.start_with(&[("GRAPHQL_TIMEOUT_SECONDS", "1")]).await;
        let tokens = app.sign_up("ada@example.com").await;
        let ada = app.with_token(&tokens.access);
        let rename = "mutation { updateMe(input: {name: \"Ada\"}) { user { name } errors { code } } }";

        let database = deployment.database().await;
        let holding = database.begin().await.unwrap();
        holding.execute_unprepared("UPDATE users SET name = 'held'").await.unwrap();
        let response = ada.post(rename, Value::Null).await;
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE, "{}", response.text);
        let error = &response.json()["errors"][0];
        assert_eq!(error["extensions"]["code"], "INTERNAL", "{error}");
        assert_eq!(error["extensions"]["limit"], "GRAPHQL_TIMEOUT_SECONDS", "{error}");
        assert_eq!(response.json().get("data"), None);

        holding.rollback().await.unwrap();
        let data = ada.run(rename, Value::Null).await;
        assert_eq!(data["updateMe"]["user"]["name"], "Ada");
    }
}
