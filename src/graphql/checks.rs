//! What happens around every execution: input values and complexity are checked before, and every
//! error at the top of the answer gets its code after.

use std::error::Error;
use std::sync::Arc;

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextParseQuery, NextRequest, NextValidation,
};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Response, ServerError, ServerResult, ValidationResult, Variables};

use super::document::Operation;
use super::error::{ApiError, RequestError, set_request_id, unauthenticated, with_code};
use super::variables;
use crate::domain::operation::OperationContext;
use crate::telemetry::event;

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
        if let Ok(OperationContext {
            request_id: Some(id),
            ..
        }) = ctx.data()
        {
            set_request_id(&mut response, id);
        }
        response
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let operation = ctx.data_unchecked::<Operation>();
        if operation.validation.get().is_none() || operation.has_variables {
            let registry = &ctx.schema_env.registry;
            let fields = variables::check(operation, variables, registry)?;
            let max = self.max_complexity;
            if fields > max {
                return Err(ServerError::from(RequestError::TooComplex {
                    message: format!("The answer could have more than {max} fields."),
                    setting: Some("GRAPHQL_MAX_COMPLEXITY"),
                }));
            }
        }
        next.run(ctx, query, variables).await
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let operation = ctx.data_unchecked::<Operation>();
        if let Some(valid) = operation.validation.get() {
            return Ok(*valid);
        }
        let valid = next.run(ctx).await.map_err(|errors| {
            let errors = errors.into_iter();
            let coded = errors.map(|error| with_code(error, "GRAPHQL_VALIDATION_FAILED"));
            coded.collect::<Vec<_>>()
        })?;
        Ok(*operation.validation.get_or_init(|| valid))
    }
}

/// Gives an error its code by what raised it: a resolver, something that no resolver should let
/// through (it has a source), or async-graphql, which refuses values of the wrong type.
fn classify(error: ServerError) -> ServerError {
    if has_code(&error) {
        return error;
    }
    let classified = match (error.source::<ApiError>(), &error.source) {
        (Some(ApiError::Unauthenticated(why)), _) => unauthenticated(*why),
        (Some(ApiError::Internal(cause)), _) => return internal(&error, cause.as_ref()),
        (None, Some(_)) => return internal(&error, &Unforeseen(error.message.clone())),
        (Some(ApiError::BadUserInput(_) | ApiError::Gone), _) | (None, None) => with_code(
            ServerError::new(error.message.clone(), None),
            "BAD_USER_INPUT",
        ),
    };
    ServerError {
        locations: error.locations,
        path: error.path,
        ..classified
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unforeseen(String);

fn internal(error: &ServerError, cause: &(dyn Error + 'static)) -> ServerError {
    event::emit(event::InternalError::new(cause));
    ServerError {
        locations: error.locations.clone(),
        path: error.path.clone(),
        ..RequestError::Internal.into()
    }
}

fn has_code(error: &ServerError) -> bool {
    error
        .extensions
        .as_ref()
        .is_some_and(|extensions| extensions.get("code").is_some())
}
