//! Checks that the schema is compatible with the last release.

use std::collections::BTreeMap;

use super::{Member, SCHEMA, Type, types};

/// The schema of the last release. Only a release updates it; see `docs/graphql.md`.
const RELEASED: &str = include_str!("../released.graphql");

/// The breaking changes between two schemas.
fn breaking_changes(released: &str, current: &str) -> Vec<String> {
    let current = types(current);
    let mut changes = Vec::new();
    for (name, before) in &types(released) {
        let Some(after) = current.get(name) else {
            changes.push(format!("{name} was removed"));
            continue;
        };
        if before.kind != after.kind {
            changes.push(format!(
                "{name} changed from {} to {}",
                before.kind, after.kind
            ));
            continue;
        }
        for removed in before.implements.difference(&after.implements) {
            changes.push(format!("{name} does not implement {removed}"));
        }
        for removed in before.values.difference(&after.values) {
            changes.push(format!("{name}.{removed} was removed"));
        }
        compare_members(name, before, after, &mut changes);
    }
    changes
}

fn compare_members(name: &str, before: &Type, after: &Type, changes: &mut Vec<String>) {
    if before.kind == "input" {
        compare_inputs(name, &before.members, &after.members, changes);
        return;
    }
    for (member, before) in &before.members {
        let name = format!("{name}.{member}");
        match after.members.get(member) {
            None => changes.push(format!("{name} was removed")),
            Some(after) => {
                if !is_compatible(&after.ty, &before.ty) {
                    changes.push(format!("{name} changed from {} to {}", before.ty, after.ty));
                }
                compare_inputs(&name, &before.arguments, &after.arguments, changes);
            }
        }
    }
}

fn compare_inputs(
    of: &str,
    before: &BTreeMap<String, Member>,
    after: &BTreeMap<String, Member>,
    changes: &mut Vec<String>,
) {
    for (name, before) in before {
        match after.get(name) {
            None => changes.push(format!("{of}({name}) was removed")),
            // Old values must still be accepted.
            Some(after) if !is_compatible(&before.ty, &after.ty) => {
                changes.push(format!(
                    "{of}({name}) changed from {} to {}",
                    before.ty, after.ty
                ));
            }
            Some(after) if after.required && !before.required => {
                changes.push(format!("{of}({name}) is now required"));
            }
            Some(_) => {}
        }
    }
    for (name, after) in after {
        if after.required && !before.contains_key(name) {
            changes.push(format!("{of}({name}) is new and required"));
        }
    }
}

/// Whether a value of type `given` is valid for type `expected`.
fn is_compatible(given: &str, expected: &str) -> bool {
    let item = |ty: &str| {
        let list = ty.strip_prefix('[')?.strip_suffix(']')?;
        Some(list.to_owned())
    };
    if expected.ends_with('!') && !given.ends_with('!') {
        return false;
    }
    let (given, expected) = (given.trim_end_matches('!'), expected.trim_end_matches('!'));
    match (item(given), item(expected)) {
        (Some(given), Some(expected)) => is_compatible(&given, &expected),
        (None, None) => given == expected,
        _ => false,
    }
}

/// If this fails, restore the elements and mark them `@deprecated` until no client uses them.
#[test]
fn the_schema_is_compatible_with_the_release() {
    let changes = breaking_changes(RELEASED, SCHEMA);
    assert!(
        changes.is_empty(),
        "breaking changes:\n{}",
        changes.join("\n")
    );
}

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
    assert_eq!(breaking_changes(BEFORE, BEFORE), [""; 0]);
    for (from, to, change) in [
        ("scalar Date", "", "Date was removed"),
        (
            "scalar Date",
            "enum Date { A }",
            "Date changed from scalar to enum",
        ),
        (
            "Query implements Node",
            "Query",
            "Query does not implement Node",
        ),
        ("enum Kind { A B }", "enum Kind { A }", "Kind.B was removed"),
        ("Query | Other", "Query", "Any.Other was removed"),
        ("name: String ", "", "Query.name was removed"),
        (
            "name: String ",
            "name: Int ",
            "Query.name changed from String to Int",
        ),
        (
            "name: String ",
            "name: [String] ",
            "Query.name changed from String to [String]",
        ),
        (
            "[String!]!",
            "[String!]",
            "Query.names changed from [String!]! to [String!]",
        ),
        (
            "[String!]!",
            "[String]!",
            "Query.names changed from [String!]! to [String]!",
        ),
        (", kind: Kind)", ")", "Query.find(kind) was removed"),
        (
            ", kind: Kind)",
            ", kind: Kind!)",
            "Query.find(kind) changed from Kind to Kind!",
        ),
        (
            "(by: ID!",
            "(by: Int!",
            "Query.find(by) changed from ID! to Int!",
        ),
        (
            "(by: ID!",
            "(new: ID!, by: ID!",
            "Query.find(new) is new and required",
        ),
        ("Int! = 1 }", "Int! }", "Find(first) is now required"),
        ("kind: Kind, first", "first", "Find(kind) was removed"),
        (
            "input Find {",
            "input Find { new: [Int]!,",
            "Find(new) is new and required",
        ),
    ] {
        assert!(BEFORE.contains(from), "{from}");
        assert_eq!(
            breaking_changes(BEFORE, &BEFORE.replacen(from, to, 1)),
            [change],
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
            breaking_changes(BEFORE, &BEFORE.replacen(from, to, 1)),
            [""; 0],
            "{from} -> {to}"
        );
    }
}
