//! The schema keeps to the public contract, `contract.graphql`: it may hold more, never less and
//! never a different shape.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned};

mod released;

const CONTRACT: &str = include_str!("contract.graphql");
const SCHEMA: &str = include_str!("../../../schema.graphql");

/// The shape of a type: what a client can rely on.
#[derive(Default)]
struct Type {
    kind: &'static str,
    implements: BTreeSet<String>,
    /// Fields with their arguments, or the fields of an input, by name.
    members: BTreeMap<String, Member>,
    /// Values of an enum.
    values: BTreeSet<String>,
}

struct Member {
    ty: String,
    /// Whether an input must hold it.
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

/// All that is promised is there, with the promised names, arguments, types, values and interfaces,
/// and no input must hold more than was promised.
#[test]
fn the_schema_has_the_promised_shape() {
    let actual = types(SCHEMA);
    let mut broken = Vec::new();
    for (name, promised) in &types(CONTRACT) {
        let Some(actual) = actual.get(name) else {
            broken.push(format!("{} {name} is missing", promised.kind));
            continue;
        };
        if actual.kind != promised.kind {
            broken.push(format!(
                "{name} is a {} instead of a {}",
                actual.kind, promised.kind
            ));
        }
        for interface in promised.implements.difference(&actual.implements) {
            broken.push(format!("{name} does not implement {interface}"));
        }
        for value in promised.values.difference(&actual.values) {
            broken.push(format!("{name}.{value} is missing"));
        }
        compare(name, &promised.members, &actual.members, &mut broken);
        for (member, promised) in &promised.members {
            if let Some(actual) = actual.members.get(member) {
                let name = format!("{name}.{member}");
                compare(&name, &promised.arguments, &actual.arguments, &mut broken);
            }
        }
    }
    assert!(
        broken.is_empty(),
        "the contract is broken:\n{}",
        broken.join("\n")
    );
}

fn compare(
    of: &str,
    promised: &BTreeMap<String, Member>,
    actual: &BTreeMap<String, Member>,
    broken: &mut Vec<String>,
) {
    for (name, promised) in promised {
        match actual.get(name) {
            None => broken.push(format!("{of}.{name} is missing")),
            Some(actual) if actual.ty != promised.ty || actual.required != promised.required => {
                broken.push(format!(
                    "{of}.{name} is {} instead of {}",
                    actual.ty, promised.ty
                ));
            }
            Some(_) => {}
        }
    }
    let added = actual
        .iter()
        .filter(|(name, _)| !promised.contains_key(*name));
    for (name, _) in added.filter(|(_, member)| member.required) {
        broken.push(format!("{of}.{name} is new and required"));
    }
}

/// Exactly the fields that the contract marks run with a dead token, and what every client may ask
/// of any schema.
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
