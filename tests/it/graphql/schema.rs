//! The schema as clients read it, and how much a document may ask for.

use std::fmt::Write as _;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::client::{Client, Response};
use crate::support::deployment::Deployment;

/// What tools built on graphql-js 16 send, with every option on.
const INTROSPECTION: &str = include_str!("introspection.graphql");

async fn ask(client: &Client, document: &str) -> Response {
    client.post(document, Value::Null).await
}

/// A document that asks for too much is refused with its own code, in words that name the limit.
#[tokio::test]
async fn excessive_documents_are_rejected() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let repeated = |times: usize, piece: &dyn Fn(usize) -> String| -> String {
        (0..times).map(piece).collect()
    };
    let nested = |levels: usize| {
        let (open, close) = (" ofType {".repeat(levels), " }".repeat(levels));
        format!("{{ __type(name: \"User\") {{ name{open} name{close} }} }}")
    };
    for (document, limit) in [
        (
            format!("{{me{{id}}}} #{}", "x".repeat(64 * 1024)),
            "65536 bytes",
        ),
        (format!("{{me{{{}}}}}", "id ".repeat(5_000)), "5000 tokens"),
        (nested(31), "32 levels deep"),
        (format!("{{{}}}", "{a".repeat(10_000)), "32 levels deep"),
        (format!("{{a(b: {}", "[".repeat(10_000)), "32 levels deep"),
        (
            format!("{{me{{{}}}}}", repeated(101, &|n| format!("a{n}:id "))),
            "100 aliases",
        ),
        (
            format!("{{me{{id{}}}}}", " @skip(if: false)".repeat(101)),
            "100 directives",
        ),
        (
            format!("{{{}}}", "...{me{id}}".repeat(251)),
            "250 fragment spreads",
        ),
        (format!("{{{}}}", "me{id}".repeat(51)), "50 root fields"),
        (
            "{...A} fragment A on Query {...A}".to_owned(),
            "a fragment that spreads itself",
        ),
        (
            "{me{...A}} fragment A on User {...B} fragment B on User {...A}".to_owned(),
            "a fragment that spreads itself",
        ),
    ] {
        let what = &document[..document.len().min(60)];
        let response = ask(&app, &document).await;
        assert_eq!(response.status, StatusCode::OK, "{what}");
        assert_eq!(
            response.code(),
            "QUERY_TOO_COMPLEX",
            "{what}: {}",
            response.text
        );
        let message = response.json()["errors"][0]["message"].clone();
        let setting = &response.json()["errors"][0]["extensions"]["limit"];
        assert_eq!(
            setting.is_null(),
            limit.contains("spreads itself"),
            "{what}"
        );
        assert!(
            message.as_str().unwrap().contains(limit),
            "{what}: {message}"
        );
        assert_eq!(response.json().get("data"), None, "{what}");
    }
}

/// What lies within the guard's limits and is deep or broad all the same is refused with that code
/// by the limits behind it.
#[tokio::test]
async fn depth_and_complexity_are_limited() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let deep = |levels: usize| {
        let (open, close) = (" ofType {".repeat(levels), " }".repeat(levels));
        format!("{{ __type(name: \"User\") {{ fields {{ type {{ name{open} name{close} }} }} }} }}")
    };
    assert_eq!(ask(&app, &deep(12)).await.json()["errors"], Value::Null);
    for document in [deep(13), {
        let mut broad =
            "{ me { ...A ...A ...A ...A ...A ...A ...A ...A ...A ...A } } fragment A on User {"
                .to_owned();
        for _ in 0..250 {
            broad.push_str(" id");
        }
        broad + " }"
    }] {
        let response = ask(&app, &document).await;
        assert_eq!(response.code(), "QUERY_TOO_COMPLEX", "{}", response.text);
        assert_eq!(response.json().get("data"), None, "{}", response.text);
    }
}

/// Fragments that spread each other cost exponentially much to follow. Six hundred bytes of them
/// would take seconds, and with a few more levels would not end within this test.
#[tokio::test]
async fn exponential_fragments_are_rejected_before_expansion() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    for levels in [14, 60] {
        let mut document = "{ me { ...F0 } }".to_owned();
        for n in 0..levels {
            let next = n + 1;
            write!(
                document,
                " fragment F{n} on User {{ ...F{next} ...F{next} ...F{next} }}"
            )
            .unwrap();
        }
        write!(document, " fragment F{levels} on User {{ id }}").unwrap();
        let response = ask(&app, &document).await;
        assert_eq!(response.code(), "QUERY_TOO_COMPLEX", "{}", response.text);
    }
}

/// Tools can read the schema where that is allowed: their question passes every limit, and the
/// answer has all that the printed schema has.
#[tokio::test]
async fn tools_can_read_the_schema() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let schema = app.run(INTROSPECTION, Value::Null).await["__schema"].clone();
    assert_eq!(schema["queryType"]["name"], "Query");
    assert_eq!(schema["mutationType"]["name"], "Mutation");
    assert_eq!(schema["subscriptionType"], Value::Null);
    let types = schema["types"].as_array().unwrap();
    let find = |name: &str| types.iter().find(|ty| ty["name"] == name).unwrap();
    for definition in parse_schema(gatelodge::testing::graphql::sdl())
        .unwrap()
        .definitions
    {
        if let TypeSystemDefinition::Type(ty) = definition {
            find(&ty.node.name.node);
        }
    }
    let user = find("User")["fields"].as_array().unwrap();
    let id = user.iter().find(|field| field["name"] == "id").unwrap();
    assert_eq!(id["type"]["kind"], "NON_NULL");
    assert_eq!(id["type"]["ofType"]["name"], "ID");
    assert!(id["description"].as_str().unwrap().contains("`sub`"));
}

/// Where the schema is not for everybody, nothing of it is told: neither by introspection nor by
/// a friendly guess at what was meant.
#[tokio::test]
async fn introspection_can_be_disabled() {
    let deployment = Deployment::embedded().await;
    let open = deployment.start().await;
    let closed = deployment
        .start_with(&[("INTROSPECTION_ENABLED", "false")])
        .await;
    let slip = "{ serverInf { appName } }";
    assert!(ask(&open, slip).await.text.contains("serverInfo"));
    let response = ask(&closed, slip).await;
    assert_eq!(response.code(), "GRAPHQL_VALIDATION_FAILED");
    assert!(!response.text.contains("serverInfo"), "{}", response.text);

    for document in [
        INTROSPECTION,
        "{ __schema { types { name } } }",
        "{ __type(name: \"User\") { name } }",
    ] {
        let response = ask(&closed, document).await;
        assert!(!response.text.contains("User"), "{}", response.text);
        let data = response.json()["data"].clone();
        let told = data
            .as_object()
            .into_iter()
            .flatten()
            .any(|(_, value)| !value.is_null());
        assert!(!told, "{}", response.text);
    }
    // This much every client may ask.
    assert_eq!(
        ask(&closed, "{ __typename }").await.json(),
        json!({ "data": { "__typename": "Query" } })
    );
}

/// The committed schema is the one that is served. When this fails, run `scripts/generate`.
#[test]
fn the_committed_schema_is_fresh() {
    assert!(
        include_str!("../../../schema.graphql") == gatelodge::testing::graphql::sdl(),
        "run scripts/generate"
    );
}

/// Whoever reads the schema finds every name in it explained.
#[test]
fn every_name_in_the_schema_is_described() {
    let mut unexplained = Vec::new();
    let mut need = |explained: bool, name: String| {
        if !explained {
            unexplained.push(name);
        }
    };
    for definition in parse_schema(gatelodge::testing::graphql::sdl())
        .unwrap()
        .definitions
    {
        let TypeSystemDefinition::Type(ty) = definition else {
            continue;
        };
        let (ty, name) = (&ty.node, &ty.node.name.node);
        need(ty.description.is_some(), name.to_string());
        let fields = match &ty.kind {
            TypeKind::Object(object) => &*object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            TypeKind::InputObject(input) => {
                for field in &input.fields {
                    let field = &field.node;
                    need(
                        field.description.is_some(),
                        format!("{name}.{}", field.name.node),
                    );
                }
                &[]
            }
            TypeKind::Enum(values) => {
                for value in &values.values {
                    let value = &value.node;
                    need(
                        value.description.is_some(),
                        format!("{name}.{}", value.value.node),
                    );
                }
                &[]
            }
            TypeKind::Scalar | TypeKind::Union(_) => &[],
        };
        for field in fields {
            let field = &field.node;
            need(
                field.description.is_some(),
                format!("{name}.{}", field.name.node),
            );
            for argument in &field.arguments {
                let argument = &argument.node;
                let name = format!("{name}.{}({})", field.name.node, argument.name.node);
                need(argument.description.is_some(), name);
            }
        }
    }
    assert!(unexplained.is_empty(), "not explained: {unexplained:?}");
}
