//! The schema, introspection, and the default limits on documents.

use std::fmt::Write as _;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::client::{Client, Response};
use crate::support::deployment::Deployment;

/// The introspection query of graphql-js 16 with all options.
const INTROSPECTION: &str = include_str!("introspection.graphql");

async fn send(client: &Client, document: &str) -> Response {
    client.post(document, Value::Null).await
}

/// The message names the limit.
#[tokio::test]
async fn excessive_documents_are_rejected() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
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
            format!(
                "{{me{{{}}}}}",
                (0..101)
                    .map(|n| format!("a{n}:id"))
                    .collect::<Vec<_>>()
                    .join(" ")
            ),
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
        let response = send(&app, &document).await;
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

/// Documents that pass the guard but are too deep or too complex.
#[tokio::test]
async fn depth_and_complexity_are_limited() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let deep = |levels: usize| {
        let (open, close) = (" ofType {".repeat(levels), " }".repeat(levels));
        format!("{{ __type(name: \"User\") {{ fields {{ type {{ name{open} name{close} }} }} }} }}")
    };
    assert_eq!(send(&app, &deep(12)).await.json()["errors"], Value::Null);
    for document in [deep(13), {
        let mut broad =
            "{ me { ...A ...A ...A ...A ...A ...A ...A ...A ...A ...A } } fragment A on User {"
                .to_owned();
        for _ in 0..250 {
            broad.push_str(" id");
        }
        broad + " }"
    }] {
        let response = send(&app, &document).await;
        assert_eq!(response.code(), "QUERY_TOO_COMPLEX", "{}", response.text);
        assert_eq!(response.json().get("data"), None, "{}", response.text);
    }
}

/// Expanding 14 levels of these fragments would take seconds; expanding 60 would not finish.
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
        let response = send(&app, &document).await;
        assert_eq!(response.code(), "QUERY_TOO_COMPLEX", "{}", response.text);
    }
}

/// The introspection query is within the limits, and its result has every type of the schema.
#[tokio::test]
async fn introspection_returns_the_schema() {
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

/// Without introspection, error messages suggest no names from the schema.
#[tokio::test]
async fn introspection_can_be_disabled() {
    let deployment = Deployment::embedded().await;
    let open = deployment.start().await;
    let closed = deployment
        .start_with(&[("INTROSPECTION_ENABLED", "false")])
        .await;
    let typo = "{ serverInf { appName } }";
    assert!(send(&open, typo).await.text.contains("serverInfo"));
    let response = send(&closed, typo).await;
    assert_eq!(response.code(), "GRAPHQL_VALIDATION_FAILED");
    assert!(!response.text.contains("serverInfo"), "{}", response.text);

    for document in [
        INTROSPECTION,
        "{ __schema { types { name } } }",
        "{ __type(name: \"User\") { name } }",
    ] {
        let response = send(&closed, document).await;
        assert!(!response.text.contains("User"), "{}", response.text);
        let data = response.json()["data"].clone();
        let has_data = data
            .as_object()
            .into_iter()
            .flatten()
            .any(|(_, value)| !value.is_null());
        assert!(!has_data, "{}", response.text);
    }
    // `__typename` is not introspection.
    assert_eq!(
        send(&closed, "{ __typename }").await.json(),
        json!({ "data": { "__typename": "Query" } })
    );
}

#[test]
fn every_name_in_the_schema_is_described() {
    let mut undescribed = Vec::new();
    let mut require = |is_described: bool, name: String| {
        if !is_described {
            undescribed.push(name);
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
        require(ty.description.is_some(), name.to_string());
        let fields = match &ty.kind {
            TypeKind::Object(object) => &*object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            TypeKind::InputObject(input) => {
                for field in &input.fields {
                    let field = &field.node;
                    require(
                        field.description.is_some(),
                        format!("{name}.{}", field.name.node),
                    );
                }
                &[]
            }
            TypeKind::Enum(values) => {
                for value in &values.values {
                    let value = &value.node;
                    require(
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
            require(
                field.description.is_some(),
                format!("{name}.{}", field.name.node),
            );
            for argument in &field.arguments {
                let argument = &argument.node;
                let name = format!("{name}.{}({})", field.name.node, argument.name.node);
                require(argument.description.is_some(), name);
            }
        }
    }
    assert!(undescribed.is_empty(), "not described: {undescribed:?}");
}
