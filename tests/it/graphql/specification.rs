//! Rules of the GraphQL specification that releases of async-graphql have broken: the order of
//! fields and the propagation of null. See decision 17.

use async_graphql::{EmptySubscription, Object, Schema, SimpleObject};

/// Completes after futures that are ready immediately.
async fn later() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("failed")]
struct Failed;

struct Query;

#[Object]
impl Query {
    async fn slow(&self) -> Option<Node> {
        later().await;
        Some(Node)
    }
    async fn quick(&self) -> i32 {
        1
    }
    async fn nodes(&self) -> Vec<Node> {
        vec![Node, Node]
    }
    async fn maybe_nodes(&self) -> Vec<Option<Node>> {
        vec![Some(Node)]
    }
    async fn sure(&self) -> Node {
        Node
    }
    async fn edge(&self) -> Edge {
        Edge {
            node: Node,
            cursor: "c",
        }
    }
    async fn maybe_fails(&self) -> Option<Result<i32, Failed>> {
        later().await;
        Some(Err(Failed))
    }
}

#[derive(SimpleObject)]
struct Edge {
    node: Node,
    cursor: &'static str,
}

struct Node;

#[Object]
impl Node {
    async fn slow(&self) -> i32 {
        later().await;
        2
    }
    async fn quick(&self) -> i32 {
        3
    }
    async fn fails(&self) -> Result<i32, Failed> {
        later().await;
        Err(Failed)
    }
    async fn inner(&self) -> Node {
        Node
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn echo(&self, text: String) -> String {
        text
    }
    async fn fails(&self) -> Result<i32, Failed> {
        later().await;
        Err(Failed)
    }
}

/// The response data as text, because the order of fields matters.
async fn data(query: &str) -> String {
    let schema = Schema::new(Query, Mutation, EmptySubscription);
    let response = schema.execute(query).await;
    serde_json::to_string(&response.data).unwrap()
}

/// Fields are in the order of the document, not of completion.
#[tokio::test]
async fn fields_keep_their_order() {
    for (query, expected) in [
        (
            "{ slow { slow quick } quick }",
            r#"{"slow":{"slow":2,"quick":3},"quick":1}"#,
        ),
        (
            "{ a: slow { slow } ... { b: quick } ...C d: quick } fragment C on Query { c: slow { quick } a: slow { quick } }",
            r#"{"a":{"slow":2,"quick":3},"b":1,"c":{"quick":3},"d":1}"#,
        ),
        (
            "{ nodes { slow quick __typename } edge { node { slow quick } cursor } }",
            r#"{"nodes":[{"slow":2,"quick":3,"__typename":"Node"},{"slow":2,"quick":3,"__typename":"Node"}],"edge":{"node":{"slow":2,"quick":3},"cursor":"c"}}"#,
        ),
        (
            "{ __type(name: \"Edge\") { name fields { type { ofType { name } kind } name } } quick }",
            r#"{"__type":{"name":"Edge","fields":[{"type":{"ofType":{"name":"Node"},"kind":"NON_NULL"},"name":"node"},{"type":{"ofType":{"name":"String"},"kind":"NON_NULL"},"name":"cursor"}]},"quick":1}"#,
        ),
    ] {
        assert_eq!(data(query).await, expected, "{query}");
    }
}

/// A field with an error is null; if it is non-null, its closest nullable parent is null.
#[tokio::test]
async fn errors_propagate_to_the_closest_nullable_parent() {
    for (query, expected) in [
        ("{ maybeFails quick }", r#"{"maybeFails":null,"quick":1}"#),
        ("{ maybeFails }", r#"{"maybeFails":null}"#),
        (
            "{ slow { fails quick } quick }",
            r#"{"slow":null,"quick":1}"#,
        ),
        ("{ slow { fails } quick }", r#"{"slow":null,"quick":1}"#),
        (
            "{ slow { inner { inner { fails } } quick } quick }",
            r#"{"slow":null,"quick":1}"#,
        ),
        ("{ sure { fails } quick }", "null"),
        ("{ nodes { fails quick } quick }", "null"),
        (
            "{ maybeNodes { fails quick } quick }",
            r#"{"maybeNodes":[null],"quick":1}"#,
        ),
        ("mutation { echo(text: \"a\") fails }", "null"),
    ] {
        assert_eq!(data(query).await, expected, "{query}");
    }
}

/// An object whose fields are all skipped is an empty object.
#[tokio::test]
async fn skipped_fields_are_omitted() {
    for (query, expected) in [
        ("{ quick @skip(if: true) }", "{}"),
        (
            "{ quick @skip(if: true) sure { quick @include(if: false) } }",
            r#"{"sure":{}}"#,
        ),
        (
            "{ slow { slow quick @skip(if: true) } }",
            r#"{"slow":{"slow":2}}"#,
        ),
    ] {
        assert_eq!(data(query).await, expected, "{query}");
    }
}
