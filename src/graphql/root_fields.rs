//! The fields at the root of the schema, by name.

use std::collections::BTreeSet;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};

/// Every field that an operation can have at its root.
pub fn root_fields() -> BTreeSet<String> {
    let document = parse_schema(super::sdl());
    let definitions = document.map(|document| document.definitions);
    let mut names: BTreeSet<String> = ["__schema", "__type", "__typename"]
        .map(str::to_owned)
        .into();
    for definition in definitions.unwrap_or_default() {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let is_root = ["Query", "Mutation"].contains(&definition.node.name.node.as_str());
        if let (true, TypeKind::Object(object)) = (is_root, definition.node.kind) {
            let fields = object.fields.iter();
            names.extend(fields.map(|field| field.node.name.node.to_string()));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that no token is needed for is one of the schema.
    #[test]
    fn the_public_fields_are_among_them() {
        let fields = root_fields();
        for field in crate::graphql::PUBLIC_FIELDS {
            assert!(fields.contains(*field), "{field}");
        }
        assert!(fields.contains("logout") && !fields.contains("User"));
    }
}
