//! The code of every error at the top of an answer.

use std::error::Error;
use std::sync::Arc;

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextParseQuery, NextRequest, NextValidation,
};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Response, ServerError, ServerResult, ValidationResult, Variables};

use super::{
    ApiError, RequestError, set_request_id, too_complex, unauthenticated, with_code, with_limit,
};
use crate::config::GraphqlConfig;
use crate::domain::operation::OperationContext;
use crate::telemetry::event;

/// Gives every error at the top of an answer its code, and lets nothing of the inside out.
#[derive(Clone, Copy)]
pub(in crate::graphql) struct ErrorCodes {
    pub(in crate::graphql) limits: GraphqlConfig,
}

impl ExtensionFactory for ErrorCodes {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(*self)
    }
}

#[async_trait::async_trait]
impl Extension for ErrorCodes {
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
        // The text was parsed before; what is left to fail here are the limits of recursion and
        // of directives.
        next.run(ctx, query, variables).await.map_err(|error| {
            let is_depth = error.message.starts_with("The recursion depth");
            let error = with_code(error, "QUERY_TOO_COMPLEX");
            if is_depth {
                with_limit(error, "GRAPHQL_MAX_DEPTH")
            } else {
                error
            }
        })
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let GraphqlConfig {
            max_depth,
            max_complexity,
            ..
        } = self.limits;
        next.run(ctx).await.map_err(|errors| {
            let classify = |error: ServerError| match error.message.as_str() {
                "Query is too complex." => too_complex(
                    format!("The answer could have more than {max_complexity} fields."),
                    Some("GRAPHQL_MAX_COMPLEXITY"),
                ),
                "Query is nested too deep." => too_complex(
                    format!("Fields are nested more than {max_depth} levels deep."),
                    Some("GRAPHQL_MAX_DEPTH"),
                ),
                _ => with_code(error, "GRAPHQL_VALIDATION_FAILED"),
            };
            errors.into_iter().map(classify).collect()
        })
    }
}

/// What raised the error says what it is: one of ours, something unforeseen (which has a source),
/// or async-graphql itself, which refuses values that do not fit their type.
fn classify(error: ServerError) -> ServerError {
    if has_code(&error) {
        return error;
    }
    let told = match (error.source::<ApiError>(), &error.source) {
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
        ..told
    }
}

/// An error of a kind that no resolver should let through.
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
