//! Checks the schema against the public contract, `contract.graphql`. Additional elements are
//! allowed.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned};

mod released;

const CONTRACT: &str = include_str!("contract.graphql");
const SCHEMA: &str = include_str!("../../../schema.graphql");

/// What clients rely on in a type.
#[derive(Default)]
struct Type {
    kind: &'static str,
    implements: BTreeSet<String>,
    /// Fields, or fields of an input object, by name.
    members: BTreeMap<String, Member>,
    /// Values of an enum, or members of a union.
    values: BTreeSet<String>,
}

struct Member {
    ty: String,
    /// Whether an argument or input field must be present.
    required: bool,
    arguments: BTreeMap<String, Member>,
}

impl Type {
    fn of(definition: &TypeDefinition) -> Self {
        let with =
            |kind, implements: &[Positioned<Name>], fields: &[Positioned<FieldDefinition>]| Self {
                kind,
                implements: implements
                    .iter()
                    .map(|name| name.node.to_string())
                    .collect(),
                members: fields
                    .iter()
                    .map(|field| Member::of_field(&field.node))
                    .collect(),
                values: BTreeSet::new(),
            };
        match &definition.kind {
            TypeKind::Object(object) => with("type", &object.implements, &object.fields),
            TypeKind::Interface(interface) => {
                with("interface", &interface.implements, &interface.fields)
            }
            TypeKind::InputObject(input) => Self {
                kind: "input",
                members: input
                    .fields
                    .iter()
                    .map(|field| Member::of_input(&field.node))
                    .collect(),
                ..Self::default()
            },
            TypeKind::Enum(values) => Self {
                kind: "enum",
                values: values
                    .values
                    .iter()
                    .map(|value| value.node.value.node.to_string())
                    .collect(),
                ..Self::default()
            },
            TypeKind::Scalar => Self {
                kind: "scalar",
                ..Self::default()
            },
            TypeKind::Union(union) => Self {
                kind: "union",
                values: union
                    .members
                    .iter()
                    .map(|member| member.node.to_string())
                    .collect(),
                ..Self::default()
            },
        }
    }
}

impl Member {
    fn of_field(field: &FieldDefinition) -> (String, Self) {
        let arguments = field.arguments.iter();
        let member = Self {
            ty: field.ty.node.to_string(),
            required: false,
            arguments: arguments
                .map(|argument| Self::of_input(&argument.node))
                .collect(),
        };
        (field.name.node.to_string(), member)
    }

    fn of_input(input: &InputValueDefinition) -> (String, Self) {
        let member = Self {
            ty: input.ty.node.to_string(),
            required: !input.ty.node.nullable && input.default_value.is_none(),
            arguments: BTreeMap::new(),
        };
        (input.name.node.to_string(), member)
    }
}

fn types(sdl: &str) -> BTreeMap<String, Type> {
    let definitions = parse_schema(sdl).unwrap().definitions.into_iter();
    let types = definitions.filter_map(|definition| match definition {
        TypeSystemDefinition::Type(ty) => Some((ty.node.name.node.to_string(), Type::of(&ty.node))),
        _ => None,
    });
    types.collect()
}

/// The schema has every element of the contract, and no additional required input.
#[test]
fn the_schema_matches_the_contract() {
    let actual = types(SCHEMA);
    let mut violations = Vec::new();
    for (name, expected) in &types(CONTRACT) {
        let Some(actual) = actual.get(name) else {
            violations.push(format!("{} {name} is missing", expected.kind));
            continue;
        };
        if actual.kind != expected.kind {
            violations.push(format!(
                "{name} is a {} instead of a {}",
                actual.kind, expected.kind
            ));
        }
        for interface in expected.implements.difference(&actual.implements) {
            violations.push(format!("{name} does not implement {interface}"));
        }
        for value in expected.values.difference(&actual.values) {
            violations.push(format!("{name}.{value} is missing"));
        }
        compare(name, &expected.members, &actual.members, &mut violations);
        for (member, expected) in &expected.members {
            if let Some(actual) = actual.members.get(member) {
                let name = format!("{name}.{member}");
                compare(
                    &name,
                    &expected.arguments,
                    &actual.arguments,
                    &mut violations,
                );
            }
        }
    }
    assert!(
        violations.is_empty(),
        "the contract is violated:\n{}",
        violations.join("\n")
    );
}

fn compare(
    of: &str,
    expected: &BTreeMap<String, Member>,
    actual: &BTreeMap<String, Member>,
    violations: &mut Vec<String>,
) {
    for (name, expected) in expected {
        match actual.get(name) {
            None => violations.push(format!("{of}.{name} is missing")),
            Some(actual) if actual.ty != expected.ty || actual.required != expected.required => {
                violations.push(format!(
                    "{of}.{name} is {} instead of {}",
                    actual.ty, expected.ty
                ));
            }
            Some(_) => {}
        }
    }
    let added = actual
        .iter()
        .filter(|(name, _)| !expected.contains_key(*name));
    for (name, _) in added.filter(|(_, member)| member.required) {
        violations.push(format!("{of}.{name} is new and required"));
    }
}

/// The fields that run with an invalid token are those that the contract marks, and introspection.
#[test]
fn public_fields_match_the_contract() {
    let mut marked = BTreeSet::from(["__schema", "__type", "__typename"]);
    for line in CONTRACT.lines() {
        if let Some(field) = line.trim_end().strip_suffix("# @public") {
            marked.insert(field.trim().split(['(', ':']).next().unwrap());
        }
    }
    let root_fields = gatelodge::testing::graphql::root_fields();
    let public = root_fields.iter().filter(|(_, is_public)| **is_public);
    let public: BTreeSet<_> = public.map(|(field, _)| field.as_str()).collect();
    assert_eq!(public, marked);
}
