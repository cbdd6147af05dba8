use std::collections::HashMap;

use async_graphql::{EmptySubscription, Enum, InputObject, Object, Schema, Variables};
use serde_json::{Value as Json, json};

use crate::graphql::checks::Checks;
use crate::graphql::document::Document;
use crate::graphql::guard;

struct Query;

#[Object]
impl Query {
    async fn one(&self) -> i32 {
        1
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum Tone {
    Kind,
    Stern,
}

#[derive(InputObject)]
struct Note {
    text: String,
    stars: Option<i32>,
    tone: Option<Tone>,
    replies: Option<Vec<Note>>,
}

struct Mutation;

#[Object]
impl Mutation {
    async fn echo(&self, text: String) -> String {
        text
    }
    /// How many notes there are.
    async fn add(&self, note: Note) -> usize {
        1 + note.replies.map_or(0, |replies| replies.len())
    }
}

/// Runs a document twice, as what the first run leaves behind must not change the second.
async fn run(query: &str, variables: &Json) -> Json {
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .extension(Checks { max_complexity: 10 })
        .finish();
    let limits = guard::tests::default_limits();
    let document = Document::parse(query, &limits, &HashMap::new()).unwrap();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let operation = document.operation(None).unwrap();
        let request = document
            .request(operation, Variables::from_json(variables.clone()))
            .unwrap();
        answers.push(serde_json::to_value(schema.execute(request).await).unwrap());
    }
    assert_eq!(answers[0], answers[1], "{query} {variables}");
    answers.remove(0)
}

async fn refused(query: &str, variables: &Json) -> String {
    let answer = run(query, variables).await;
    assert_eq!(answer["data"], Json::Null, "{query} {variables}: {answer}");
    let error = &answer["errors"][0];
    assert_eq!(
        error["extensions"]["code"], "BAD_USER_INPUT",
        "{query} {variables}: {answer}"
    );
    assert_eq!(error["path"], Json::Null, "{query} {variables}: {answer}");
    error["message"].as_str().unwrap().to_owned()
}

/// Values that fit nowhere, in the syntax of documents and in JSON, with the path to what is wrong
/// and what is wrong with it.
const WRONG: &[(&str, &str, &str, &str)] = &[
    ("3", "3", "", "is not of the type Note"),
    ("\"x\"", "\"x\"", "", "is not of the type Note"),
    (
        "[{text: \"a\"}]",
        "[{\"text\": \"a\"}]",
        "",
        "is not of the type Note",
    ),
    ("null", "null", "", "is required"),
    ("{}", "{}", ".text", "is required"),
    ("{text: null}", "{\"text\": null}", ".text", "is required"),
    (
        "{text: 7}",
        "{\"text\": 7}",
        ".text",
        "is not of the type String",
    ),
    (
        "{text: [\"a\"]}",
        "{\"text\": [\"a\"]}",
        ".text",
        "is not of the type String",
    ),
    (
        "{text: {}}",
        "{\"text\": {}}",
        ".text",
        "is not of the type String",
    ),
    (
        "{text: \"a\", name: \"b\"}",
        "{\"text\": \"a\", \"name\": \"b\"}",
        "",
        "has no field \"name\"",
    ),
    (
        "{text: \"a\", stars: \"1\"}",
        "{\"text\": \"a\", \"stars\": \"1\"}",
        ".stars",
        "is not of the type Int",
    ),
    (
        "{text: \"a\", stars: 1.5}",
        "{\"text\": \"a\", \"stars\": 1.5}",
        ".stars",
        "is not of the type Int",
    ),
    (
        "{text: \"a\", stars: 3000000000}",
        "{\"text\": \"a\", \"stars\": 3000000000}",
        ".stars",
        "is not of the type Int",
    ),
    (
        "{text: \"a\", tone: LOUD}",
        "{\"text\": \"a\", \"tone\": \"LOUD\"}",
        ".tone",
        "is not of the type Tone",
    ),
    (
        "{text: \"a\", tone: 1}",
        "{\"text\": \"a\", \"tone\": 1}",
        ".tone",
        "is not of the type Tone",
    ),
    (
        "{text: \"a\", replies: 3}",
        "{\"text\": \"a\", \"replies\": 3}",
        ".replies",
        "is not of the type Note",
    ),
    (
        "{text: \"a\", replies: [null]}",
        "{\"text\": \"a\", \"replies\": [null]}",
        ".replies.0",
        "is required",
    ),
    (
        "{text: \"a\", replies: [{text: \"b\"}, {text: \"c\", replies: {text: true}}]}",
        "{\"text\": \"a\", \"replies\": [{\"text\": \"b\"}, {\"text\": \"c\", \"replies\": {\"text\": true}}]}",
        ".replies.1.replies.text",
        "is not of the type String",
    ),
];

/// Wrong values of variables and arguments stop a request before anything of it runs, at any depth.
#[tokio::test]
async fn wrong_values_are_refused_first() {
    for (literal, json, path, problem) in WRONG {
        let variables = json!({ "note": serde_json::from_str::<Json>(json).unwrap() });
        let by_variable = "mutation($note: Note!) { echo(text: \"a\") add(note: $note) }";
        let message = refused(by_variable, &variables).await;
        assert_eq!(message, format!("\"$note{path}\" {problem}."));
        for query in [
            format!("mutation {{ echo(text: \"a\") add(note: {literal}) }}"),
            format!(
                "mutation {{ ... {{ ...A }} }} fragment A on Mutation {{ add(note: {literal}) }}"
            ),
        ] {
            let message = refused(&query, &json!({})).await;
            assert_eq!(message, format!("\"note{path}\" {problem}."), "{query}");
        }
    }
}

/// So do missing variables, variables inside of literals and defaults.
#[tokio::test]
async fn variables_are_checked_where_they_are_named() {
    let given = json!({ "null": null, "text": "a" });
    for (query, message) in [
        (
            "mutation($missing: String!) { echo(text: $missing) }",
            "\"$missing\" is required.",
        ),
        (
            "mutation($null: String!) { echo(text: $null) }",
            "\"$null\" is required.",
        ),
        (
            "mutation($null: String = \"a\") { add(note: {text: $null}) }",
            "\"note.text\" is required.",
        ),
        (
            "mutation($text: [Note!]) { add(note: {text: \"a\", replies: $text}) }",
            "\"$text\" is not of the type Note.",
        ),
        (
            "mutation($note: Note = {text: 3}) { add(note: $note) }",
            "\"$note.text\" is not of the type String.",
        ),
        (
            "query($text: Boolean!) { one @skip(if: $text) }",
            "\"$text\" is not of the type Boolean.",
        ),
        (
            "query($missing: Boolean!) { one @skip(if: $missing) }",
            "\"$missing\" is required.",
        ),
    ] {
        assert_eq!(refused(query, &given).await, message, "{query}");
    }
    for (variables, note) in [
        ("", "{text: \"a\"}"),
        ("", "{text: \"a\", tone: KIND, stars: -1, replies: null}"),
        ("($b: String!)", "{text: $b}"),
        ("($note: Note = {text: \"b\", replies: []})", "$note"),
        ("($missing: [Note!])", "{text: \"a\", replies: $missing}"),
        ("($tone: Tone)", "{text: \"a\", tone: $tone}"),
    ] {
        let query = format!("mutation{variables} {{ add(note: {note}) }}");
        let answer = run(&query, &json!({ "b": "b", "tone": "STERN" })).await;
        assert_eq!(answer["data"], json!({ "add": 1 }), "{query}: {answer}");
    }
    // A single item stands for a list of it.
    let answer = run(
        "mutation { add(note: {text: \"a\", replies: {text: \"b\"}}) }",
        &json!({}),
    )
    .await;
    assert_eq!(answer["data"], json!({ "add": 2 }), "{answer}");
}
