//! Automatic persisted queries, as in Apollo's clients.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::support::client::{Client, Response};
use crate::support::deployment::Deployment;
use crate::support::{eventually, on_both_deployments};

const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";
const QUERY: &str = "{ me { email } serverInfo { appName } }";

/// The `extensions` of a persisted query.
fn extensions(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

/// The SHA-256 hash of a document in hexadecimal digits.
fn hash(document: &str) -> String {
    let hash = gatelodge::testing::crypto::sha256(document.as_bytes());
    let digits: Vec<_> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

async fn post(client: &Client, body: Value) -> Response {
    Response::of(client.request(Method::POST, "/graphql").json(&body)).await
}

/// Sends the document and its hash by POST.
async fn register(client: &Client, document: &str) -> Response {
    post(
        client,
        json!({ "query": document, "extensions": extensions(&hash(document)) }),
    )
    .await
}

/// Sends only the hash by POST.
async fn run_by_hash(client: &Client, document: &str) -> Response {
    post(client, json!({ "extensions": extensions(&hash(document)) })).await
}

/// Sends the hash by GET, with or without the document.
async fn get(client: &Client, document: Option<&str>, hash: &str) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("extensions", &extensions(hash).to_string());
    query.extend_pairs(document.map(|document| ("query", document)));
    let request = client.request(Method::GET, &format!("/graphql?{}", query.finish()));
    Response::of(request.header("accept", GRAPHQL_RESPONSE)).await
}

/// The status is 200 in both media types, because Apollo iOS does not read other responses.
#[track_caller]
fn assert_unknown(response: &Response) {
    assert_eq!(response.status, StatusCode::OK, "{}", response.text);
    assert_eq!(
        response.code(),
        "PERSISTED_QUERY_NOT_FOUND",
        "{}",
        response.text
    );
    let body = response.json();
    assert_eq!(body["errors"][0]["message"], "PersistedQueryNotFound");
    assert_eq!(body.get("data"), None);
}

#[track_caller]
fn assert_ran(response: &Response) {
    let expected = json!({ "me": null, "serverInfo": { "appName": "Gatelodge" } });
    assert_eq!(response.json(), json!({ "data": expected }));
}

on_both_deployments! {
    /// An unknown hash has the error that Apollo's clients expect. After the document was sent once,
    /// its hash suffices, by POST and GET.
    async fn a_document_is_sent_once(deployment: Deployment) {
        let app = deployment.start().await;
        assert_unknown(&run_by_hash(&app, QUERY).await);
        assert_unknown(&get(&app, None, &hash(QUERY)).await);
        assert_ran(&register(&app, QUERY).await);
        assert_ran(&run_by_hash(&app, QUERY).await);
        assert_ran(&get(&app, None, &hash(QUERY)).await);
        assert_ran(&get(&app, None, &hash(QUERY).to_uppercase()).await);

        let other = "query Q($x: Boolean!) { serverInfo @include(if: $x) { appName } }";
        let response = get(&app, Some(other), &hash(other)).await;
        assert_eq!(response.code(), "BAD_USER_INPUT", "a variable is missing");
        let body = json!({
            "extensions": extensions(&hash(other)), "variables": { "x": true }, "operationName": "Q",
        });
        let data = json!({ "data": { "serverInfo": { "appName": "Gatelodge" } } });
        assert_eq!(post(&app, body).await.json(), data);
    }

    /// The rules for a document apply to its hash, too.
    async fn a_hash_does_not_bypass_authorization(deployment: Deployment) {
        let app = deployment.start().await;
        let logout = "mutation { logout { endedSessionId } }";
        let tokens = app.sign_up("ada@example.com").await;
        let ada = app.with_token(&tokens.access);
        assert!(register(&ada, logout).await.json()["data"]["logout"]["endedSessionId"].is_string());

        let anonymous = run_by_hash(&app, logout).await;
        assert_eq!(anonymous.code(), "UNAUTHENTICATED", "{}", anonymous.text);
        let signed_out = run_by_hash(&ada, logout).await;
        assert_eq!(signed_out.status, StatusCode::UNAUTHORIZED, "{}", signed_out.text);
        let by_get = get(&app, None, &hash(logout)).await;
        assert_eq!(by_get.status, StatusCode::METHOD_NOT_ALLOWED, "{}", by_get.text);
        assert_eq!(by_get.header("allow"), Some("POST"));
    }
}

/// The document of a rejected request is not stored.
#[tokio::test]
async fn malformed_requests_are_rejected() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let valid = hash(QUERY);
    for persisted in [
        json!({ "version": 1, "sha256Hash": hash("{ me { id } }") }),
        json!({ "version": 1, "sha256Hash": "" }),
        json!({ "version": 1, "sha256Hash": valid[1..] }),
        json!({ "version": 1, "sha256Hash": valid.replace(|_| true, "x") }),
        json!({ "version": 1, "sha256Hash": 7 }),
        json!({ "version": 1 }),
        json!({ "version": 2, "sha256Hash": valid }),
        json!({ "version": "1", "sha256Hash": valid }),
        json!({ "sha256Hash": valid }),
        json!({}),
        json!([1]),
        json!(valid),
        json!(true),
    ] {
        let body = json!({ "query": QUERY, "extensions": { "persistedQuery": persisted } });
        let response = post(&app, body).await;
        assert_eq!(
            response.status,
            StatusCode::BAD_REQUEST,
            "{persisted}: {}",
            response.text
        );
        assert_eq!(
            response.code(),
            "BAD_USER_INPUT",
            "{persisted}: {}",
            response.text
        );
    }
    assert_unknown(&run_by_hash(&app, QUERY).await);
    let absent = json!({ "query": QUERY, "extensions": { "persistedQuery": null } });
    assert_ran(&post(&app, absent).await);
}

/// Rejected documents are stored neither in the process nor in Redis.
#[tokio::test]
async fn only_valid_documents_are_stored() {
    let deployment = Deployment::clustered().await;
    let app = deployment.start().await;
    for (document, code) in [
        ("{ me { id }".to_owned(), "GRAPHQL_PARSE_FAILED"),
        (format!("{{{}}}", "a{".repeat(100)), "QUERY_TOO_COMPLEX"),
    ] {
        assert_eq!(register(&app, &document).await.code(), code);
        assert_unknown(&run_by_hash(&app, &document).await);
    }
    let invalid = "{ nope }";
    assert_eq!(
        register(&app, invalid).await.code(),
        "GRAPHQL_VALIDATION_FAILED"
    );
    let redis = deployment.redis.as_ref().unwrap();
    assert_eq!(redis.keys("*document*").await, [""; 0]);
    assert_ran(&register(&app, QUERY).await);
    assert_eq!(redis.keys("*document*").await.len(), 1);
}

/// Documents are shared through Redis, with a time to live, under a bounded number of keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_persisted_queries() {
    let deployment = Deployment::clustered().await;
    let (one, other) = (deployment.start().await, deployment.start().await);
    assert_ran(&register(&one, QUERY).await);
    assert_ran(&run_by_hash(&other, QUERY).await);

    let redis = deployment.redis.as_ref().unwrap();
    let keys = redis.keys("*document*").await;
    let slot = u16::from_str_radix(&hash(QUERY)[..4], 16).unwrap() % 4096;
    assert_eq!(keys, [format!("gatelodge:cache:document:{slot:03x}")]);
    let mut connection = redis.connect().await.unwrap();
    let ttl: i64 = redis::cmd("TTL")
        .arg(&keys[0])
        .query_async(&mut connection)
        .await
        .unwrap();
    assert!((1..=24 * 3600).contains(&ttl), "{ttl}");

    // A document that is too long for Redis is stored in the process only.
    let long = format!("{QUERY} #{}", "x".repeat(16 * 1024));
    assert_ran(&register(&one, &long).await);
    assert_ran(&run_by_hash(&one, &long).await);
    assert_unknown(&run_by_hash(&other, &long).await);
    assert_eq!(redis.keys("*document*").await.len(), 1);

    // Another document under the same key is not used, and is replaced.
    let third = deployment.start().await;
    let set = redis::cmd("SET")
        .arg(&keys[0])
        .arg("{ serverInfo { codeLength } }")
        .to_owned();
    set.exec_async(&mut connection).await.unwrap();
    assert_unknown(&run_by_hash(&third, QUERY).await);
    assert_ran(&register(&third, QUERY).await);
    assert_eq!(redis.dump().await.matches(QUERY).count(), 1);
}

/// Without Redis, each process knows only the documents that were sent to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persisted_queries_work_without_redis() {
    let deployment = Deployment::with_own_redis().await;
    let (one, other) = (deployment.start().await, deployment.start().await);
    let redis = deployment.redis_server();
    redis.kill();
    assert_unknown(&run_by_hash(&one, QUERY).await);
    assert_ran(&register(&one, QUERY).await);
    assert_ran(&run_by_hash(&one, QUERY).await);
    assert_unknown(&run_by_hash(&other, QUERY).await);

    redis.restart().await;
    eventually("the document to be shared", async || {
        assert_ran(&register(&one, QUERY).await);
        (run_by_hash(&other, QUERY).await.code().is_empty()).then_some(())
    })
    .await;
}
