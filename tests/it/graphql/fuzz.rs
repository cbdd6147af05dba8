//! Property tests: every request to `/graphql` gets a response, and none is an internal error.
//!
//! Each test runs a few hundred cases; `PROPTEST_CASES` sets another number. A failing case is
//! minimized and printed.

use std::ops::Deref;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::support::TIMEOUT;
use crate::support::app::TestApp;
use crate::support::client::Response;
use crate::support::deployment::Deployment;

/// Documents that clients and tools send.
const DOCUMENTS: &[&str] = &[
    include_str!("introspection.graphql"),
    "query Teams($first: Int = 2, $after: String) { me { ...Me @include(if: true) } teams(first: $first, after: $after) \
     { totalCount pageInfo { hasNextPage endCursor } edges { cursor node { team { members(last: 3) { nodes { user { ...Me } } } } } } } } \
     fragment Me on User { id email name __typename }",
    "mutation M($input: RequestLoginCodeInput!) { again: requestLoginCode(input: $input) { challenge { codeLength } \
     errors { code message field ... on RateLimitedError { retryAfterSeconds } } } }",
    "mutation { login(input: {email: \"ada@example.com\", password: \"\"\"x \\\"\"\" y\"\"\"}) { session { user { id } } errors { code } } }",
    "{ a: serverInfo { appName version } b: serverInfo { codeLength } invitation(token: \"x\\u0041\\n\") { teamName } }",
    "{ team(id: \"x\") { id name members { totalCount } } sessions { id current } }",
];

/// Fragments of documents, valid and invalid.
const FRAGMENTS: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "!",
    "$",
    "=",
    "@",
    "...",
    "|",
    "&",
    "\"",
    "\"\"\"",
    "\\",
    "#",
    "\n",
    ",",
    " ",
    "\u{feff}",
    "query",
    "mutation",
    "subscription",
    "fragment",
    "on",
    "on User",
    "true",
    "null",
    "0",
    "-1",
    "1e999",
    "99999999999999999999",
    "me",
    "teams",
    "team",
    "serverInfo",
    "__typename",
    "__schema",
    "__type",
    "id",
    "nodes",
    "first: 100",
    "input: {}",
    "$first",
    "A",
    "...A",
    "fragment A on User { id }",
    "@skip(if: true)",
    "\"x\"",
    "\"\\ud800\"",
    "é",
    "\u{0}",
];

struct Server {
    runtime: Runtime,
    app: TestApp,
    _deployment: Deployment,
}

impl Deref for Server {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.app
    }
}

impl Server {
    /// Starts the app on its own runtime, because proptest cases are not async.
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let (deployment, app) = runtime.block_on(async {
            let deployment = Deployment::embedded().await;
            let app = deployment.start().await.allow_unread_mail();
            (deployment, app)
        });
        Self {
            runtime,
            app,
            _deployment: deployment,
        }
    }

    /// Sends a request and checks the response.
    fn check(&self, request: RequestBuilder) -> Result<(), TestCaseError> {
        let sending = async { timeout(TIMEOUT, Response::of(request)).await };
        let Ok(response) = self.runtime.block_on(sending) else {
            return Err(TestCaseError::fail("no response"));
        };
        prop_assert!(
            response.status.as_u16() < 500,
            "{}: {}",
            response.status,
            response.text
        );
        let body: Result<Value, _> = serde_json::from_str(&response.text);
        let Ok(Value::Object(body)) = body else {
            return Err(TestCaseError::fail(format!(
                "not GraphQL: {}",
                response.text
            )));
        };
        let errors = body.get("errors").and_then(Value::as_array);
        prop_assert!(body.contains_key("data") || errors.is_some_and(|it| !it.is_empty()));
        for error in errors.into_iter().flatten() {
            prop_assert!(
                error["extensions"]["code"] != "INTERNAL",
                "{}",
                response.text
            );
        }
        Ok(())
    }

    fn post(&self, body: impl Into<reqwest::Body>) -> Result<(), TestCaseError> {
        let request = self
            .request(Method::POST, "/graphql")
            .header(CONTENT_TYPE, "application/json");
        self.check(
            request
                .header(ACCEPT, "application/graphql-response+json")
                .body(body),
        )
    }
}

/// Runs a property test with this number of cases, unless `PROPTEST_CASES` is set.
fn check_all<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    TestRunner::new(config).run(strategy, test).unwrap();
}

/// A document from [`DOCUMENTS`] with random changes.
fn mutated() -> impl Strategy<Value = String> {
    let change = (
        any::<prop::sample::Index>(),
        0..12_usize,
        prop::sample::select(FRAGMENTS),
        1..4_usize,
    );
    let document = prop::sample::select(DOCUMENTS);
    (document, prop::collection::vec(change, 0..6)).prop_map(|(document, changes)| {
        let mut text: Vec<char> = document.chars().collect();
        for (at, remove, insert, times) in changes {
            let at = at.index(text.len() + 1);
            let end = (at + remove).min(text.len());
            text.splice(at..end, insert.repeat(times).chars());
        }
        text.into_iter().collect()
    })
}

/// Random sequences of fragments.
fn shuffled() -> impl Strategy<Value = String> {
    let fragments = prop::collection::vec(prop::sample::select(FRAGMENTS), 0..40);
    fragments.prop_map(|fragments| fragments.join(" "))
}

/// JSON of limited depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(DOCUMENTS).prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(
            &[
                "query",
                "variables",
                "operationName",
                "extensions",
                "persistedQuery",
                "version",
                "sha256Hash",
                "input",
                "email",
                "first"
            ][..]
        )
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn arbitrary_bytes_get_a_response() {
    let server = Server::start();
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    check_all(150, &bytes, |bytes| server.post(bytes));
}

/// First any JSON as the body, then any JSON as its known keys.
#[test]
fn arbitrary_json_gets_a_response() {
    let server = Server::start();
    check_all(200, &any_json(), |body| server.post(body.to_string()));
    let parts = (any_json(), any_json(), any_json());
    check_all(200, &parts, |(variables, extensions, name)| {
        let document = DOCUMENTS[variables.to_string().len() % DOCUMENTS.len()];
        let body = json!({
            "query": document, "variables": variables, "extensions": extensions, "operationName": name,
        });
        server.post(body.to_string())
    });
}

/// Nearly valid documents, by POST and GET, with any variables.
#[test]
fn arbitrary_documents_get_a_response() {
    let server = Server::start();
    let document = prop_oneof![2 => mutated(), 1 => shuffled()];
    check_all(400, &(document, any_json()), |(query, variables)| {
        let body =
            json!({ "query": query, "variables": { "input": variables, "first": variables } });
        server.post(body.to_string())?;
        let parameters = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", &query)
            .finish();
        let request = server.request(Method::GET, &format!("/graphql?{parameters}"));
        server.check(request.header(ACCEPT, "application/json"))
    });
}

#[test]
fn arbitrary_urls_and_headers_get_a_response() {
    let server = Server::start();
    let visible = "[ -~]{0,40}";
    check_all(
        150,
        &(visible, visible, visible, visible),
        |(url, accept, kind, token)| {
            let escaped: String = url.chars().filter(|c| !" \"<>#".contains(*c)).collect();
            let method = if kind.len() % 2 == 0 {
                Method::GET
            } else {
                Method::POST
            };
            let request = server
                .request(method, &format!("/graphql?query={{me{{id}}}}&{escaped}"))
                .header(ACCEPT, format!("application/json, {accept}"))
                .header(CONTENT_TYPE, kind)
                .header(AUTHORIZATION, token);
            server.check(request)
        },
    );
}

/// Documents just below the limits, with which anything worse than linear would take minutes.
#[test]
fn the_largest_documents_get_a_response() {
    let server = Server::start();
    let many =
        |times: usize, piece: &dyn Fn(usize) -> String| (0..times).map(piece).collect::<String>();
    let largest = [
        format!("{{ me {{ {} }} }}", "id ".repeat(4_990)),
        format!(
            "{{ {} }}",
            many(50, &|_| "me { id name email } ".to_owned())
        ),
        format!("{{ me {{ {} }} }}", many(100, &|n| format!("a{n}: name "))),
        format!(
            "{{ me {{ ...A }} }} fragment A on User {{ {} }}",
            many(249, &|n| format!("...B{n} "))
        ) + &many(240, &|n| {
            format!("fragment B{n} on User {{ id name email phone }} ")
        }),
        format!(
            "query({}) {{ me {{ id }} }}",
            many(1_200, &|n| format!("$v{n}: Int "))
        ),
        format!("{{ team(id: [{}]) {{ id }} }}", "1 ".repeat(4_900)),
        format!(
            "{{ invitation(token: \"{}\") {{ teamName }} }}",
            "x".repeat(65_000)
        ),
        format!(
            "{{ me {{ {} }} }}",
            "... on User { ".repeat(14) + "id" + &"}".repeat(14)
        ),
        format!("{{ me {{ id }} }} # {}", "x".repeat(65_000)),
    ];
    for document in largest {
        let body = json!({ "query": document });
        let what = &document[..document.len().min(60)];
        server
            .post(body.to_string())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}
