//! What the specification asks of an execution and async-graphql leaves out: that variables are
//! looked at before anything runs, that fields come in the order in which they were asked for,
//! and that a field that failed is null, and takes along what cannot be null.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery,
};
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Name, Response, ServerError, ServerResult, Value, Variables};

use super::operation;

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
    document: ExecutableDocument,
    /// The variables that were given a value, null not being one.
    given: HashSet<Name>,
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
        let document = next.run(ctx, query, variables).await?;
        let given = variables.iter().filter(|(_, value)| **value != Value::Null);
        // It is asked once per request.
        let _ = self.0.set(Asked {
            document: document.clone(),
            given: given.map(|(name, _)| name.clone()).collect(),
        });
        Ok(document)
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
        let missing = missing_variables(operation, &asked.given);
        if !missing.is_empty() {
            return Response::from_errors(missing);
        }
        let mut response = next.run(ctx, operation_name).await;
        let registry = &ctx.schema_env.registry;
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

/// An error for each variable that must have a value and has none.
fn missing_variables(operation: &OperationDefinition, given: &HashSet<Name>) -> Vec<ServerError> {
    let definitions = operation.variable_definitions.iter();
    definitions
        .filter(|definition| {
            let definition = &definition.node;
            !definition.var_type.node.nullable
                && definition.default_value.is_none()
                && !given.contains(&definition.name.node)
        })
        .map(|definition| {
            let message = format!(
                "The variable \"${}\" is missing.",
                definition.node.name.node
            );
            ServerError::new(message, Some(definition.pos))
        })
        .collect()
}
