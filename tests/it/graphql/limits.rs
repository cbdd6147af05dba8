//! Limits on requests, by setting.

use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

/// A document at the limit runs; one above it has an error that names the setting.
#[tokio::test]
async fn every_limit_is_configurable() {
    let deployment = Deployment::embedded().await;
    let padded = |bytes: usize| format!("{{me{{id}}}}#{}", "x".repeat(bytes - 9));
    for (setting, value, allowed, rejected) in [
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
        let response = app.post(&allowed, Value::Null).await;
        assert_ne!(
            response.code(),
            "QUERY_TOO_COMPLEX",
            "{setting}: {}",
            response.text
        );
        let response = app.post(&rejected, Value::Null).await;
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

/// The complexity of an item is multiplied by the page size: a literal, a variable, a variable's
/// default, or the default page size. Nested lists multiply.
#[tokio::test]
async fn complexity_multiplies_with_the_size_of_lists() {
    let deployment = Deployment::embedded().await;
    // A page costs 1, and each item of `nodes { role }` costs 2.
    let app = deployment
        .start_with(&[("GRAPHQL_MAX_COMPLEXITY", "41")])
        .await;
    for (document, variables, is_allowed) in [
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
        // A negative size or null does not evade the limit.
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
        (
            "{ teams(first: 3) { nodes { team { members(first: 5) { nodes { role } } } } } }",
            json!({}),
            true,
        ),
        (
            "{ teams(first: 3) { nodes { team { members(first: 6) { nodes { role } } } } } }",
            json!({}),
            false,
        ),
    ] {
        let response = app.post(document, variables.clone()).await;
        let is_rejected = response.code() == "QUERY_TOO_COMPLEX";
        let text = &response.text;
        assert_eq!(is_rejected, !is_allowed, "{document} {variables}: {text}");
    }
}

/// Every use of a variable copies its value, so the total size of the copies is limited; a body of
/// 256 KiB could otherwise need gigabytes. Default values count, too.
#[tokio::test]
async fn copies_of_long_variables_are_limited() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let repeat = |text: &str, count: usize| vec![text; count].join(" ");
    let with_uses = |count| {
        format!(
            "query($v: [String]) {{ invitation(token: [{}]) {{ email }} }}",
            repeat("$v", count)
        )
    };
    let with_default = format!(
        "query($v: [Int] = [{}]) {{ invitation(token: [{}]) {{ email }} }}",
        repeat("1", 1500),
        repeat("$v", 1000)
    );
    let nested = vec![Value::Array(Vec::new()); 20_000];
    for (document, variables) in [
        (with_uses(100), json!({ "v": nested })),
        (with_uses(100), json!({ "v": "x".repeat(100_000) })),
        (with_uses(100), json!({ "v": [{ "a": nested }] })),
        (with_default, json!({})),
    ] {
        let response = app.post(&document, variables).await;
        assert_eq!(response.code(), "QUERY_TOO_COMPLEX", "{}", response.text);
        let message = response.json()["errors"][0]["message"].to_string();
        assert!(message.contains("variables are too long"), "{message}");
    }
    // A long variable may be used once, and a short one often.
    let once = "query($v: String!) { invitation(token: $v) { email } }";
    let long = app.run(once, json!({ "v": "x".repeat(200_000) })).await;
    assert_eq!(long["invitation"], Value::Null);
    let often = format!(
        "query($v: String!) {{ {} }}",
        repeat("invitation(token: $v) { email }", 40)
    );
    let often = app.run(&often, json!({ "v": "x".repeat(2_000) })).await;
    assert_eq!(often["invitation"], Value::Null);
}

on_both_deployments! {
    /// The operation waits for a locked row. After the lock is released, the operation succeeds.
    async fn an_operation_times_out(deployment: Deployment) {
        let app = deployment.start_with(&[("GRAPHQL_TIMEOUT_SECONDS", "1")]).await;
        let tokens = app.sign_up("ada@example.com").await;
        let ada = app.with_token(&tokens.access);
        let rename = "mutation { updateMe(input: {name: \"Ada\"}) { user { name } errors { code } } }";

        let database = deployment.database().await;
        let lock = database.begin().await.unwrap();
        lock.execute_unprepared("UPDATE users SET name = 'locked'").await.unwrap();
        let response = ada.post(rename, Value::Null).await;
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE, "{}", response.text);
        let error = &response.json()["errors"][0];
        assert_eq!(error["extensions"]["code"], "INTERNAL", "{error}");
        assert_eq!(error["extensions"]["limit"], "GRAPHQL_TIMEOUT_SECONDS", "{error}");
        assert_eq!(response.json().get("data"), None);

        lock.rollback().await.unwrap();
        let data = ada.run(rename, Value::Null).await;
        assert_eq!(data["updateMe"]["user"]["name"], "Ada");
    }
}
