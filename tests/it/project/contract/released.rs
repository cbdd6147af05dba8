//! What was released stays: a client that was written for the last release goes on working.

use std::collections::BTreeMap;

use super::{Member, SCHEMA, Type, types};

/// The schema of the last release. A release copies `schema.graphql` over it, and nothing else
/// does, see `docs/graphql.md`.
const RELEASED: &str = include_str!("../released.graphql");

/// What of one schema breaks the clients of another.
fn breaks(released: &str, now: &str) -> Vec<String> {
    let now = types(now);
    let mut broken = Vec::new();
    for (name, before) in &types(released) {
        let Some(after) = now.get(name) else {
            broken.push(format!("{name} is gone"));
            continue;
        };
        if before.kind != after.kind {
            broken.push(format!("{name} is {} now, was {}", after.kind, before.kind));
            continue;
        }
        for gone in before.implements.difference(&after.implements) {
            broken.push(format!("{name} does not implement {gone} any more"));
        }
        for gone in before.values.difference(&after.values) {
            broken.push(format!("{name}.{gone} is gone"));
        }
        compare_members(name, before, after, &mut broken);
    }
    broken
}

fn compare_members(name: &str, before: &Type, after: &Type, broken: &mut Vec<String>) {
    if before.kind == "input" {
        compare_inputs(name, &before.members, &after.members, broken);
        return;
    }
    for (member, before) in &before.members {
        let name = format!("{name}.{member}");
        match after.members.get(member) {
            None => broken.push(format!("{name} is gone")),
            Some(after) => {
                if !fits(&after.ty, &before.ty) {
                    broken.push(format!("{name} is {} now, was {}", after.ty, before.ty));
                }
                compare_inputs(&name, &before.arguments, &after.arguments, broken);
            }
        }
    }
}

fn compare_inputs(
    of: &str,
    before: &BTreeMap<String, Member>,
    after: &BTreeMap<String, Member>,
    broken: &mut Vec<String>,
) {
    for (name, before) in before {
        match after.get(name) {
            None => broken.push(format!("{of}({name}) is gone")),
            // What was sent must still be taken.
            Some(after) if !fits(&before.ty, &after.ty) => {
                broken.push(format!(
                    "{of}({name}) takes {} now, took {}",
                    after.ty, before.ty
                ));
            }
            Some(after) if after.required && !before.required => {
                broken.push(format!("{of}({name}) has no default any more"));
            }
            Some(_) => {}
        }
    }
    for (name, after) in after {
        if after.required && !before.contains_key(name) {
            broken.push(format!("{of}({name}) is new and required"));
        }
    }
}

/// Whether a value of type `given` can stand where one of type `wanted` is awaited.
fn fits(given: &str, wanted: &str) -> bool {
    let inside = |ty: &str| {
        let list = ty.strip_prefix('[')?.strip_suffix(']')?;
        Some(list.to_owned())
    };
    if wanted.ends_with('!') && !given.ends_with('!') {
        return false;
    }
    let (given, wanted) = (given.trim_end_matches('!'), wanted.trim_end_matches('!'));
    match (inside(given), inside(wanted)) {
        (Some(given), Some(wanted)) => fits(&given, &wanted),
        (None, None) => given == wanted,
        _ => false,
    }
}

/// Nothing that was released was removed or changed. When this fails, bring back what is named;
/// mark it `@deprecated` and keep it for as long as clients use it.
#[test]
fn the_released_schema_still_works() {
    let broken = breaks(RELEASED, SCHEMA);
    assert!(
        broken.is_empty(),
        "clients would break:\n{}",
        broken.join("\n")
    );
}

/// Every way to break a client is found, and what breaks none is not.
#[test]
fn breaking_changes_are_found() {
    const BEFORE: &str = "
        interface Node { id: ID! }
        type Query implements Node {
            id: ID! name: String names: [String!]! find(by: ID!, first: Int = 1, kind: Kind): [Query]
        }
        enum Kind { A B }
        union Any = Query | Other
        type Other { id: ID! }
        input Find { by: ID!, kind: Kind, first: Int! = 1 }
        scalar Date
    ";
    assert_eq!(breaks(BEFORE, BEFORE), [""; 0]);
    for (from, to, broken) in [
        ("scalar Date", "", "Date is gone"),
        (
            "scalar Date",
            "enum Date { A }",
            "Date is enum now, was scalar",
        ),
        (
            "Query implements Node",
            "Query",
            "Query does not implement Node any more",
        ),
        ("enum Kind { A B }", "enum Kind { A }", "Kind.B is gone"),
        ("Query | Other", "Query", "Any.Other is gone"),
        ("name: String ", "", "Query.name is gone"),
        (
            "name: String ",
            "name: Int ",
            "Query.name is Int now, was String",
        ),
        (
            "name: String ",
            "name: [String] ",
            "Query.name is [String] now, was String",
        ),
        (
            "[String!]!",
            "[String!]",
            "Query.names is [String!] now, was [String!]!",
        ),
        (
            "[String!]!",
            "[String]!",
            "Query.names is [String]! now, was [String!]!",
        ),
        (", kind: Kind)", ")", "Query.find(kind) is gone"),
        (
            ", kind: Kind)",
            ", kind: Kind!)",
            "Query.find(kind) takes Kind! now, took Kind",
        ),
        (
            "(by: ID!",
            "(by: Int!",
            "Query.find(by) takes Int! now, took ID!",
        ),
        (
            "(by: ID!",
            "(new: ID!, by: ID!",
            "Query.find(new) is new and required",
        ),
        (
            "Int! = 1 }",
            "Int! }",
            "Find(first) has no default any more",
        ),
        ("kind: Kind, first", "first", "Find(kind) is gone"),
        (
            "input Find {",
            "input Find { new: [Int]!,",
            "Find(new) is new and required",
        ),
    ] {
        assert!(BEFORE.contains(from), "{from}");
        assert_eq!(
            breaks(BEFORE, &BEFORE.replacen(from, to, 1)),
            [broken],
            "{from} -> {to}"
        );
    }
    for (from, to) in [
        ("name: String ", "name: String! "),
        (": [Query]", ": [Query!]!"),
        ("(by: ID!", "(by: ID"),
        ("(by: ID!", "(new: ID, other: Int! = 3, by: ID!"),
        ("input Find {", "input Find { new: Int, other: Int! = 3,"),
        ("enum Kind { A B }", "enum Kind { A B C }"),
        ("Query | Other", "Query | Other | More"),
        ("scalar Date", "scalar Date type More { id: ID! }"),
        ("name: String ", "name: String more(by: ID!): Int "),
    ] {
        assert!(BEFORE.contains(from), "{from}");
        assert_eq!(
            breaks(BEFORE, &BEFORE.replacen(from, to, 1)),
            [""; 0],
            "{from} -> {to}"
        );
    }
}
