//! What the specification asks of an execution and async-graphql leaves out: that variables are
//! looked at before anything runs, that fields come in the order in which they were asked for,
//! and that a field that failed is null, and takes along what cannot be null.

use std::sync::{Arc, OnceLock};

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery,
};
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::registry::{MetaType, Registry};
use async_graphql::{Response, ServerError, ServerResult, Value, Variables};

use super::document::Document;
use super::operation;

mod arguments;
mod shape;
#[cfg(test)]
mod tests;

/// Makes the extension.
pub(super) struct Conformance;

impl ExtensionFactory for Conformance {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(OfOneRequest::default())
    }
}

#[derive(Default)]
struct OfOneRequest(OnceLock<Asked>);

/// What a request asks for.
struct Asked {
    document: Document,
    variables: Variables,
}

#[async_trait::async_trait]
impl Extension for OfOneRequest {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        // It is asked once per request.
        let _ = self.0.set(Asked {
            document: ctx.data_unchecked::<Document>().clone(),
            variables: variables.clone(),
        });
        next.run(ctx, query, variables).await
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let asked = self.0.get();
        let selected = asked.and_then(|asked| {
            let operation = operation::select(&asked.document, operation_name)?;
            Some((asked, &operation.node))
        });
        let Some((asked, operation)) = selected else {
            return next.run(ctx, operation_name).await;
        };
        let registry = &ctx.schema_env.registry;
        let mut refused = refused_variables(operation, &asked.variables, registry);
        if refused.is_empty() {
            refused = arguments::refused(&asked.document, operation, &asked.variables, registry);
        }
        if !refused.is_empty() {
            return Response::from_errors(refused);
        }
        let mut response = next.run(ctx, operation_name).await;
        if response.errors.iter().any(|error| error.path.is_empty()) {
            // It did not get to run.
            return response;
        }
        let root = match operation.ty {
            OperationType::Mutation => registry.mutation_type.as_deref(),
            _ => Some(registry.query_type.as_str()),
        };
        let fields = shape::Fields::of(
            &asked.document,
            &operation.selection_set.node,
            root.unwrap_or_default(),
            &|on, field| {
                let field = registry.types.get(on)?.field_by_name(field)?;
                Some(field.ty.as_str())
            },
        );
        response.data = fields.complete(std::mem::take(&mut response.data), &response.errors);
        response
    }
}

/// An error for each variable that must have a value and has none, or has something else where an
/// input object belongs; other kinds of values are checked with the document.
fn refused_variables(
    operation: &OperationDefinition,
    variables: &Variables,
    registry: &Registry,
) -> Vec<ServerError> {
    let definitions = operation.variable_definitions.iter();
    let refused = definitions.filter_map(|definition| {
        let (name, ty) = (&definition.node.name.node, &definition.node.var_type.node);
        let default = definition.node.default_value.as_ref();
        let value = variables.get(name).filter(|value| **value != Value::Null);
        let wrong = match value.or(default.map(|default| &default.node)) {
            None | Some(Value::Null) if ty.nullable || default.is_some() => return None,
            None | Some(Value::Null) => "is missing",
            Some(value) if fits(registry, &ty.to_string(), value) => return None,
            Some(_) => "is not of its type",
        };
        let message = format!("The variable \"${name}\" {wrong}.");
        Some(ServerError::new(message, Some(definition.pos)))
    });
    refused.collect()
}

/// Whether objects stand where the type, as the schema writes it, has input objects.
fn fits(registry: &Registry, ty: &str, value: &Value) -> bool {
    let ty = ty.trim_end_matches('!');
    let of = ty.strip_prefix('[').and_then(|of| of.strip_suffix(']'));
    match (of, value) {
        (_, Value::Null) => true,
        (Some(of), Value::List(items)) => items.iter().all(|item| fits(registry, of, item)),
        // A single item stands for a list of it.
        (Some(of), _) => fits(registry, of, value),
        (None, _) => match (registry.types.get(ty), value) {
            (Some(MetaType::InputObject { input_fields, .. }), Value::Object(given)) => {
                given.iter().all(|(name, value)| {
                    let field = input_fields.get(name.as_str());
                    field.is_none_or(|field| fits(registry, &field.ty, value))
                })
            }
            (Some(MetaType::InputObject { .. }), _) => false,
            _ => true,
        },
    }
}
