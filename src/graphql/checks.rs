//! What happens around every execution: input values and complexity are checked before, and every
//! error at the top of the answer gets its code after.

use std::sync::Arc;

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextParseQuery, NextRequest, NextValidation,
};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Response, ServerError, ServerResult, ValidationResult, Variables};

use super::document::Operation;
use super::error::{classify, over_limit, with_extension};
use super::variables;

/// The schema extension that does it.
#[derive(Clone, Copy)]
pub(super) struct Checks {
    pub(super) max_complexity: usize,
}

impl ExtensionFactory for Checks {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(*self)
    }
}

#[async_trait::async_trait]
impl Extension for Checks {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        let mut response = next.run(ctx).await;
        response.errors = response.errors.into_iter().map(classify).collect();
        response
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(ctx, query, variables).await?;
        let operation = ctx.data_unchecked::<Arc<Operation>>();
        if operation.validation.get().is_none() || operation.has_variables {
            let registry = &ctx.schema_env.registry;
            let name = operation.name.as_deref();
            let fields = variables::check(&document, name, variables, registry)?;
            let max = self.max_complexity;
            if fields > max {
                let message = format!("The answer could have more than {max} fields.");
                return Err(over_limit(message, "GRAPHQL_MAX_COMPLEXITY"));
            }
        }
        Ok(document)
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let operation = ctx.data_unchecked::<Arc<Operation>>();
        if let Some(valid) = operation.validation.get() {
            return Ok(*valid);
        }
        let valid = next.run(ctx).await.map_err(|errors| {
            let coded = |error| with_extension(error, "code", "GRAPHQL_VALIDATION_FAILED");
            errors.into_iter().map(coded).collect::<Vec<_>>()
        })?;
        Ok(*operation.validation.get_or_init(|| valid))
    }
}
