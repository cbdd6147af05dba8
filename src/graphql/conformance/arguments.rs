//! What is written as an argument where an input object belongs. async-graphql notices it when
//! the field is resolved, after other fields have run.

use std::collections::HashSet;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
};
use async_graphql::registry::Registry;
use async_graphql::{ServerError, Value, Variables};

use super::fits;
use crate::graphql::error::with_code;

/// An error for each argument of an operation that has something else where an input object
/// belongs; other kinds of values are checked with the document.
pub(super) fn refused(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    registry: &Registry,
) -> Vec<ServerError> {
    let root = match operation.ty {
        OperationType::Mutation => registry.mutation_type.as_deref(),
        _ => Some(registry.query_type.as_str()),
    };
    let mut errors = Vec::new();
    let mut spread = HashSet::new();
    let mut pending = vec![(&operation.selection_set.node, root.unwrap_or_default())];
    while let Some((set, on)) = pending.pop() {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let ty = registry.types.get(on);
                    let Some(meta) = ty.and_then(|ty| ty.field_by_name(&field.name.node)) else {
                        continue;
                    };
                    errors.extend(refused_of(
                        field,
                        variables,
                        |name| {
                            let argument = meta.args.get(name);
                            argument.map(|argument| argument.ty.as_str())
                        },
                        registry,
                    ));
                    pending.push((
                        &field.selection_set.node,
                        meta.ty.trim_matches(['[', ']', '!']),
                    ));
                }
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let on = condition.map_or(on, |condition| condition.node.on.node.as_str());
                    pending.push((&inline.node.selection_set.node, on));
                }
                Selection::FragmentSpread(outside) => {
                    let name = &outside.node.fragment_name.node;
                    if spread.insert(name)
                        && let Some(fragment) = document.fragments.get(name)
                    {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        pending.push((&fragment.node.selection_set.node, on));
                    }
                }
            }
        }
    }
    errors
}

fn refused_of<'r>(
    field: &Field,
    variables: &Variables,
    type_of: impl Fn(&str) -> Option<&'r str>,
    registry: &Registry,
) -> Vec<ServerError> {
    let refused = field.arguments.iter().filter_map(|(name, value)| {
        let ty = type_of(&name.node)?;
        let with_variables = value.node.clone().into_const_with(|name| {
            Ok::<_, std::convert::Infallible>(variables.get(&name).cloned().unwrap_or(Value::Null))
        });
        let Ok(given) = with_variables;
        (!fits(registry, ty, &given)).then(|| {
            let message = format!("The argument \"{}\" is not of its type.", name.node);
            let error = ServerError::new(message, Some(value.pos));
            with_code(error, "GRAPHQL_VALIDATION_FAILED")
        })
    });
    refused.collect()
}
