//! The schema keeps to the public contract, `contract.graphql`: it may hold more, never less and
//! never a different shape.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned};

const CONTRACT: &str = include_str!("contract.graphql");
const SCHEMA: &str = include_str!("../../schema.graphql");

/// What is promised and does not exist yet. What only these lead to need not exist either.
const NOT_YET: &[&str] = &[
    // Passwords
    "Mutation.register",
    "Mutation.login",
    "Mutation.requestPasswordReset",
    "Mutation.resetPassword",
    "Mutation.changePassword",
    "Mutation.requestEmailVerification",
    "Mutation.verifyEmail",
    // Sessions
    "Query.sessions",
    "Mutation.revokeSession",
    "Mutation.revokeOtherSessions",
    // Profile
    "Mutation.updateMe",
    "Mutation.requestEmailChange",
    "Mutation.confirmEmailChange",
    "Mutation.deleteMe",
    // Teams
    "Query.teams",
    "Query.team",
    "Query.invitation",
    "User.teams",
    "Mutation.createTeam",
    "Mutation.updateTeam",
    "Mutation.deleteTeam",
    "Mutation.inviteToTeam",
    "Mutation.acceptInvitation",
    "Mutation.declineInvitation",
    "Mutation.revokeInvitation",
    "Mutation.changeMemberRole",
    "Mutation.removeMember",
    "Mutation.leaveTeam",
];

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

    /// The names of the types that it leads to.
    fn leads_to(&self) -> Vec<&str> {
        let types = std::iter::once(&self.ty).chain(self.arguments.values().map(|a| &a.ty));
        types.map(|ty| ty.trim_matches(['[', ']', '!'])).collect()
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

/// What the contract promises so far: each type with those of its members that are not in `NOT_YET`,
/// as far as something leads to it.
fn promised() -> BTreeMap<String, Type> {
    let mut all = types(CONTRACT);
    for entry in NOT_YET {
        let (ty, member) = entry.split_once('.').unwrap();
        let removed = all.get_mut(ty).and_then(|ty| ty.members.remove(member));
        assert!(
            removed.is_some(),
            "NOT_YET has {entry}, which the contract does not promise"
        );
    }
    let mut reached = BTreeSet::new();
    let mut pending = vec!["Query".to_owned(), "Mutation".to_owned()];
    while let Some(name) = pending.pop() {
        let Some(ty) = all.get(&name) else { continue };
        if !reached.insert(name.clone()) {
            continue;
        }
        pending.extend(
            ty.members
                .values()
                .flat_map(Member::leads_to)
                .map(str::to_owned),
        );
        let implementors = all
            .iter()
            .filter(|(_, other)| other.implements.contains(&name));
        pending.extend(implementors.map(|(name, _)| name.clone()));
    }
    all.retain(|name, _| reached.contains(name));
    all
}

/// What exists of the contract has the promised names, arguments, types, values and interfaces, and
/// no input must hold more than was promised.
#[test]
fn what_exists_has_the_promised_shape() {
    let actual = types(SCHEMA);
    let mut broken = Vec::new();
    for (name, promised) in &promised() {
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

/// The list of what does not exist yet shrinks as things come to exist.
#[test]
fn what_is_said_not_to_exist_does_not_exist() {
    let actual = types(SCHEMA);
    let exists = |entry: &&&str| {
        let (ty, member) = entry.split_once('.').unwrap();
        actual
            .get(ty)
            .is_some_and(|ty| ty.members.contains_key(member))
    };
    let outdated: Vec<_> = NOT_YET.iter().filter(exists).collect();
    assert!(
        outdated.is_empty(),
        "take these out of NOT_YET: {outdated:?}"
    );
}

/// Exactly the fields that the contract marks run with a dead token, and what every client may ask
/// of any schema.
#[test]
fn the_public_fields_are_those_that_the_contract_marks() {
    let mut root = "";
    let mut marked = BTreeSet::from(["__schema", "__type", "__typename"]);
    for line in CONTRACT.lines() {
        if let Some(rest) = line.strip_prefix("type ") {
            root = rest.split(' ').next().unwrap();
        }
        if let Some(field) = line.trim_end().strip_suffix("# @public") {
            let name = field.trim().split(['(', ':']).next().unwrap();
            if !NOT_YET.contains(&format!("{root}.{name}").as_str()) {
                marked.insert(name);
            }
        }
    }
    let public: BTreeSet<_> = gatelodge::graphql::PUBLIC_FIELDS.iter().copied().collect();
    assert_eq!(public, marked);
}
