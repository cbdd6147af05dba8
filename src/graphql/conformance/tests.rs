use async_graphql::{EmptySubscription, InputObject, Object, Schema, SimpleObject};
use serde_json::{Value as Json, json};

use super::*;

/// Becomes ready later than everything that is ready at once.
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
    async fn maybe_fails(&self) -> Result<Option<i32>, Failed> {
        later().await;
        Err(Failed)
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

#[derive(InputObject)]
struct Note {
    text: String,
    replies: Option<Vec<Note>>,
}

struct Mutation;

#[Object]
impl Mutation {
    async fn echo(&self, text: String) -> String {
        text
    }
    async fn add(&self, note: Note) -> usize {
        note.text.len() + note.replies.map_or(0, |replies| replies.len())
    }
    async fn fails(&self) -> Result<i32, Failed> {
        later().await;
        Err(Failed)
    }
}

async fn run(query: &str, variables: Json) -> Json {
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .extension(Conformance)
        .finish();
    let document = Document::parse(query).unwrap();
    let request = document.request(Variables::from_json(variables)).unwrap();
    serde_json::to_value(schema.execute(request).await).unwrap()
}

/// The data as text: the order matters.
async fn data(query: &str) -> String {
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .extension(Conformance)
        .finish();
    let document = Document::parse(query).unwrap();
    let request = document.request(Variables::default()).unwrap();
    let response = schema.execute(request).await;
    serde_json::to_string(&response.data).unwrap()
}

/// Fields come in the order in which they were asked for, however long each takes.
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

/// A field that failed is null, or makes null what it is in, up to what may be null.
#[tokio::test]
async fn what_failed_is_null() {
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

/// What is skipped is left out, and what is left is an object still.
#[tokio::test]
async fn what_is_skipped_is_left_out() {
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

/// A variable without a value stops a request before anything of it runs.
#[tokio::test]
async fn variables_are_looked_at_first() {
    let echo = "mutation M($a: String!, $b: String! = \"b\") { echo(text: $a) x: echo(text: $b) }";
    let answer = run(echo, json!({})).await;
    assert_eq!(answer["data"], Json::Null);
    let error = &answer["errors"][0];
    assert_eq!(error["message"], "The variable \"$a\" is missing.");
    assert_eq!(error["path"], Json::Null);
    let answer = run(echo, json!({ "a": "a" })).await;
    assert_eq!(answer["data"], json!({ "echo": "a", "x": "b" }));
    let add = "mutation M($note: Note!) { add(note: $note) }";
    for note in [
        json!(3),
        json!("x"),
        json!([{ "text": "a" }]),
        json!({ "text": "a", "replies": [{ "text": "a" }, 3] }),
        json!({ "text": "a", "replies": 3 }),
    ] {
        let answer = run(add, json!({ "note": note })).await;
        assert_eq!(answer["data"], Json::Null, "{note}");
        assert_eq!(answer["errors"][0]["path"], Json::Null, "{note}: {answer}");
    }
    for note in [
        json!({ "text": "a", "replies": null }),
        json!({ "text": "", "replies": [{ "text": "b" }] }),
    ] {
        let answer = run(add, json!({ "note": note })).await;
        assert_eq!(answer["data"], json!({ "add": 1 }), "{note}: {answer}");
    }
    let skip = "query Q($b: Boolean!) { quick @skip(if: $b) }";
    assert_eq!(run(skip, json!({})).await["data"], Json::Null);
}

/// What is written where an input object belongs stops a request too, before a field has run.
#[tokio::test]
async fn literals_are_looked_at_first() {
    for note in [
        "3",
        "\"x\"",
        "X",
        "[{text: \"a\"}]",
        "{text: \"a\", replies: 3}",
        "{text: \"a\", replies: [{text: \"a\"}, $three]}",
        "$text",
        "3.5",
    ] {
        for (query, what) in [
            (
                format!("{{ echo(text: \"a\") add(note: {note}) }}"),
                "a field",
            ),
            (
                format!("{{ ... {{ ...A }} }} fragment A on Mutation {{ add(note: {note}) }}"),
                "a fragment",
            ),
        ] {
            let query = format!("mutation($three: Int = 3, $text: String = \"a\") {query}");
            let answer = run(&query, json!({ "three": 3, "text": "a" })).await;
            assert_eq!(answer["data"], Json::Null, "{what}, {note}: {answer}");
            assert_eq!(
                answer["errors"][0]["path"],
                Json::Null,
                "{what}, {note}: {answer}"
            );
        }
    }
    let unlike = "mutation($note: Note = 3) { add(note: $note) }";
    let answer = run(unlike, json!({})).await;
    assert_eq!(answer["errors"][0]["path"], Json::Null, "{answer}");
    for (variables, note) in [
        ("", "{text: \"a\"}"),
        ("($b: String!)", "{text: \"\", replies: {text: $b}}"),
        ("($note: Note = {text: \"b\"})", "$note"),
        ("($missing: [Note!])", "{text: \"a\", replies: $missing}"),
    ] {
        let query = format!("mutation{variables} {{ add(note: {note}) }}");
        let answer = run(&query, json!({ "b": "b" })).await;
        assert_eq!(answer["data"], json!({ "add": 1 }), "{query}: {answer}");
    }
}
