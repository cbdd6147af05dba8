//! The schema as a page to read: `docs/schema.md`.

use std::collections::HashMap;
use std::fmt::Write;

use async_graphql::Positioned;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
};

use super::sdl;

type Belongs = fn(&TypeKind) -> bool;

/// The groups of types behind queries and mutations, in this order.
const GROUPS: [(&str, Belongs); 5] = [
    ("Inputs", |kind| matches!(kind, TypeKind::InputObject(_))),
    ("Types", |kind| matches!(kind, TypeKind::Object(_))),
    ("Interfaces", |kind| matches!(kind, TypeKind::Interface(_))),
    ("Enums", |kind| matches!(kind, TypeKind::Enum(_))),
    ("Scalars", |kind| matches!(kind, TypeKind::Scalar)),
];

/// Every field that an operation can have at its root, and whether it is public.
pub(crate) fn root_fields() -> HashMap<String, bool> {
    let definitions = parse_schema(sdl()).map(|document| document.definitions);
    let mut fields: HashMap<String, bool> = ["__schema", "__type", "__typename"]
        .map(|name| (name.to_owned(), true))
        .into();
    for definition in definitions.unwrap_or_default() {
        if let TypeSystemDefinition::Type(definition) = definition
            && is_root(&definition.node)
            && let TypeKind::Object(object) = &definition.node.kind
        {
            let of_root = object.fields.iter().map(|field| &field.node);
            fields.extend(of_root.map(|field| (field.name.node.to_string(), is_public(field))));
        }
    }
    fields
}

/// Whether a field is marked with `@public`.
fn is_public(field: &FieldDefinition) -> bool {
    let mut directives = field.directives.iter();
    directives.any(|directive| directive.node.name.node == "public")
}

/// The schema as Markdown: what can be asked first, then every type, each with its description.
///
/// # Errors
/// If the schema's own text cannot be parsed, which a test rules out.
pub(crate) fn reference_markdown() -> Result<String, async_graphql::parser::Error> {
    let types: Vec<TypeDefinition> = parse_schema(sdl())?
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some(definition.node),
            _ => None,
        })
        .collect();
    let mut out = String::from(
        "# Schema reference\n\n\
         Printed by `gatelodge schema --markdown`; the schema itself is\n\
         [`schema.graphql`](../schema.graphql). Fields marked *public* need no token. What every\n\
         mutation has in common, and what each error means, is in [errors](errors.md).\n",
    );
    for (root, title) in [("Query", "Queries"), ("Mutation", "Mutations")] {
        let _ = write!(out, "\n## {title}\n");
        for definition in types.iter().filter(|found| found.name.node == root) {
            if let TypeKind::Object(object) = &definition.kind {
                for field in &object.fields {
                    root_field(&mut out, &field.node);
                }
            }
        }
    }
    for (title, belongs) in GROUPS {
        let _ = write!(out, "\n## {title}\n");
        let group = types.iter().filter(|found| belongs(&found.kind));
        for definition in group.filter(|found| !is_root(found)) {
            type_section(&mut out, definition);
        }
    }
    Ok(out)
}

fn is_root(definition: &TypeDefinition) -> bool {
    matches!(definition.name.node.as_str(), "Query" | "Mutation")
}

fn root_field(out: &mut String, field: &FieldDefinition) {
    let name = field.name.node.as_str();
    let public = if is_public(field) { " *Public.*" } else { "" };
    let about = text(field.description.as_ref());
    let signature = signature(field);
    let _ = write!(out, "\n### {name}\n\n`{signature}`\n\n{about}{public}\n");
}

fn type_section(out: &mut String, definition: &TypeDefinition) {
    let about = text(definition.description.as_ref());
    let _ = write!(out, "\n### {}\n\n{about}\n", definition.name.node);
    match &definition.kind {
        TypeKind::Object(object) => fields(out, &object.fields),
        TypeKind::Interface(interface) => fields(out, &interface.fields),
        TypeKind::InputObject(input) => {
            table(
                out,
                "field",
                input.fields.iter().map(|field| {
                    let InputValueDefinition {
                        name,
                        ty,
                        description,
                        ..
                    } = &field.node;
                    (
                        format!("`{}: {}`", name.node, ty.node),
                        text(description.as_ref()),
                    )
                }),
            );
        }
        TypeKind::Enum(choice) => {
            table(
                out,
                "value",
                choice.values.iter().map(|value| {
                    (
                        format!("`{}`", value.node.value.node),
                        text(value.node.description.as_ref()),
                    )
                }),
            );
        }
        TypeKind::Scalar | TypeKind::Union(_) => {}
    }
}

fn fields(out: &mut String, fields: &[Positioned<FieldDefinition>]) {
    table(
        out,
        "field",
        fields.iter().map(|field| {
            let signature = signature(&field.node);
            (
                format!("`{signature}`"),
                text(field.node.description.as_ref()),
            )
        }),
    );
}

fn table(out: &mut String, what: &str, rows: impl Iterator<Item = (String, String)>) {
    let _ = write!(out, "\n| {what} | meaning |\n|---|---|\n");
    for (name, about) in rows {
        let _ = writeln!(out, "| {name} | {about} |");
    }
}

/// A field as the schema writes it, on one line.
fn signature(field: &FieldDefinition) -> String {
    let arguments: Vec<_> = field
        .arguments
        .iter()
        .map(|argument| format!("{}: {}", argument.node.name.node, argument.node.ty.node))
        .collect();
    let arguments = if arguments.is_empty() {
        String::new()
    } else {
        format!("({})", arguments.join(", "))
    };
    format!("{}{arguments}: {}", field.name.node, field.ty.node)
}

/// A description on one line, fit for a table.
fn text(description: Option<&Positioned<String>>) -> String {
    let words = description.map(|text| text.node.split_whitespace().collect::<Vec<_>>());
    words.unwrap_or_default().join(" ").replace('|', "\\|")
}
