//! `/graphql`: GraphQL over HTTP, of our own, because the stock endpoint runs mutations by GET,
//! takes any content type and always answers 200.
//!
//! What is wrong with the request itself is answered with a status of its own. Whatever is wrong
//! with the document is 400 for clients that accept `application/graphql-response+json`, and 200
//! for those that know `application/json` only.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_graphql::parser::types::OperationType;
use async_graphql::{ServerError, Value, Variables};
use futures::FutureExt;
use poem::endpoint::make;
use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use tracing::Instrument;

use self::persisted::Asked;
use super::accept::{prefers, quality};
use super::{HttpState, pages};
use crate::domain::operation::{Actor, OperationContext};
use crate::graphql::{RequestError, Unauthenticated, set_request_id};
use crate::service::AuthenticationError;
use crate::telemetry::metrics::{ErrorPlace, count_error};
use crate::telemetry::{self, event};

mod parameters;
mod persisted;

const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

/// A request that is refused before it runs, with its HTTP status.
struct Refusal {
    /// The status for whichever media type; `None` where `application/json` keeps 200.
    status: Option<StatusCode>,
    error: RequestError,
    header: Option<(&'static str, &'static str)>,
}

impl Refusal {
    fn new(status: StatusCode, error: RequestError) -> Self {
        Self {
            status: Some(status),
            error,
            header: None,
        }
    }

    /// A request that is not what GraphQL over HTTP asks for.
    fn bad_request(message: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            RequestError::BadUserInput(message.to_owned()),
        )
    }

    /// A document that does not get to run.
    fn document(error: RequestError) -> Self {
        Self {
            status: None,
            error,
            header: None,
        }
    }

    fn not_acceptable() -> Self {
        let message = format!("Accept {GRAPHQL_RESPONSE} or {JSON}.");
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            RequestError::BadUserInput(message),
        )
    }

    fn method(allowed: &'static str, message: &str) -> Self {
        let error = RequestError::BadUserInput(message.to_owned());
        Self {
            header: Some(("allow", allowed)),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, error)
        }
    }
}

/// Why a document did not get to run, kept with the answer for the log.
#[derive(Clone)]
pub(super) struct RefusalCode(pub(super) String);

/// Answers `/graphql`.
pub(super) fn endpoint(edge: Arc<HttpState>) -> impl Endpoint {
    make(move |request| {
        let edge = Arc::clone(&edge);
        async move {
            let Some(ctx) = request.data::<OperationContext>().cloned() else {
                return Err(poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR));
            };
            let request_id = ctx.request_id.clone().unwrap_or_default();
            let answer = answer(&edge, ctx, request, &request_id);
            Ok(or_internal(answer, &request_id).await)
        }
    })
}

/// The answer, or INTERNAL if the code gives up; the panic itself is logged where it happens.
async fn or_internal(answer: impl Future<Output = Response>, request_id: &str) -> Response {
    let answered = AssertUnwindSafe(answer).catch_unwind().await;
    answered.unwrap_or_else(|_| {
        let error = vec![RequestError::Internal.into()];
        let response = async_graphql::Response::from_errors(error);
        let status = Some(StatusCode::INTERNAL_SERVER_ERROR);
        encode(response, request_id, JSON, status)
    })
}

async fn answer(
    edge: &HttpState,
    ctx: OperationContext,
    mut request: Request,
    request_id: &str,
) -> Response {
    let accept = accept(&request);
    let accept = accept.as_deref();
    if edge.http.graphiql && request.method() == Method::GET && prefers(accept, "text/html", JSON) {
        return pages::graphiql();
    }
    let media_type = media_type(accept);
    let outcome = if media_type.is_some() {
        run(edge, ctx, &mut request).await
    } else {
        Err(Refusal::not_acceptable())
    };
    // Also for a client that takes neither: it may read why it was refused.
    let media_type = media_type.unwrap_or(JSON);
    let (response, status, header) = match outcome {
        Ok(response) => (response, None, None),
        Err(Refusal {
            status,
            error,
            header,
        }) => (
            async_graphql::Response::from_errors(vec![error.into()]),
            status,
            header,
        ),
    };
    let mut answer = encode(response, request_id, media_type, status);
    if let Some((name, value)) = header {
        answer
            .headers_mut()
            .insert(name, header::HeaderValue::from_static(value));
    }
    answer
}

/// What the client takes: all its `Accept` headers as one.
fn accept(request: &Request) -> Option<String> {
    let headers = request.headers().get_all(header::ACCEPT).iter();
    let texts: Vec<_> = headers.filter_map(|header| header.to_str().ok()).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

/// The media type to answer with: what the client likes best of the two, `application/json` where
/// it likes both alike. `None` if it takes neither.
fn media_type(accept: Option<&str>) -> Option<&'static str> {
    let Some(accept) = accept else {
        // So says GraphQL over HTTP of clients that do not say.
        return Some(GRAPHQL_RESPONSE);
    };
    if prefers(Some(accept), GRAPHQL_RESPONSE, JSON) {
        Some(GRAPHQL_RESPONSE)
    } else {
        (quality(accept, JSON) > 0.0).then_some(JSON)
    }
}

async fn run(
    edge: &HttpState,
    mut ctx: OperationContext,
    request: &mut Request,
) -> Result<async_graphql::Response, Refusal> {
    let mut parameters = match *request.method() {
        Method::GET => parameters::from_url(request)?,
        Method::POST => parameters::from_body(request, &edge.http.connections).await?,
        _ => return Err(Refusal::method("GET, POST", "Use GET or POST.")),
    };
    let Asked { document, to_share } = persisted::document(edge, &mut parameters).await?;
    let operation = document
        .operation(parameters.operation_name.as_deref())
        .map_err(Refusal::document)?;
    if request.method() == Method::GET && operation.kind != OperationType::Query {
        return Err(Refusal::method("POST", "Only queries can be sent by GET."));
    }

    let variables = parameters.variables.unwrap_or_default();
    let variables = Variables::from_json(serde_json::Value::Object(variables));
    let executed = operation.request(variables).map_err(Refusal::document)?;
    ctx.actor = actor(edge, &ctx, request, operation.is_public).await?;
    let executed = executed.data(ctx);
    let begun = Instant::now();
    let span = telemetry::operation_span();
    let fields: Vec<_> = operation.root_fields.iter().map(String::as_str).collect();
    telemetry::describe(&span, "graphql.fields", fields.join(" "));
    let running = edge.schema.execute(executed).instrument(span);
    let result = tokio::time::timeout(edge.operation_timeout, running).await;
    for field in fields {
        edge.services.metrics().operation(field, begun.elapsed());
    }
    match result {
        Ok(response) => {
            // Only what is valid is worth its place.
            if let Some((hash, text)) = to_share.filter(|_| ran(&response)) {
                edge.services.share_document(hash, &text).await;
            }
            Ok(response)
        }
        Err(elapsed) => {
            event::emit(event::InternalError::new(&elapsed));
            Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                RequestError::TimedOut,
            ))
        }
    }
}

/// Whether a document got to run.
fn ran(response: &async_graphql::Response) -> bool {
    response.errors.iter().all(|error| !error.path.is_empty()) || response.data != Value::Null
}

/// Who presents the token in the request. A dead token is refused here, unless the operation needs
/// none: somebody who holds one must still be able to refresh it or log in.
async fn actor(
    edge: &HttpState,
    ctx: &OperationContext,
    request: &Request,
    is_public: bool,
) -> Result<Actor, Refusal> {
    let mut given = request.headers().get_all(header::AUTHORIZATION).iter();
    let Some(authorization) = given.next() else {
        return Ok(Actor::Anonymous);
    };
    // Of two, a proxy may have looked at the other one.
    let token = Some(authorization)
        .filter(|_| given.next().is_none())
        .and_then(|authorization| authorization.to_str().ok())
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map_or("", |(_, token)| token.trim());
    match edge.services.authenticate(ctx, token).await {
        Ok(session) => Ok(Actor::User(session)),
        Err(AuthenticationError::Rejected(_)) if is_public => Ok(Actor::Anonymous),
        Err(AuthenticationError::Rejected(rejection)) => {
            let error = RequestError::Unauthenticated(Unauthenticated::Rejected(rejection));
            Err(Refusal {
                header: Some(("www-authenticate", "Bearer error=\"invalid_token\"")),
                ..Refusal::new(StatusCode::UNAUTHORIZED, error)
            })
        }
        Err(AuthenticationError::Internal(error)) => {
            event::emit(event::InternalError::new(&error));
            Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                RequestError::Internal,
            ))
        }
    }
}

/// Writes the answer. A document that did not get to run has no `data`, and with the media type
/// made for GraphQL a status that says so.
fn encode(
    mut response: async_graphql::Response,
    request_id: &str,
    media_type: &'static str,
    status: Option<StatusCode>,
) -> Response {
    set_request_id(&mut response, request_id);
    for code in response.errors.iter().filter_map(code) {
        count_error(ErrorPlace::Top, &code);
    }
    let ran = ran(&response);
    let status = status.unwrap_or(match (ran, media_type) {
        (false, GRAPHQL_RESPONSE) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    });
    let refused = (!ran)
        .then(|| response.errors.first().and_then(code))
        .flatten();
    // Written as it is, because fields come in the order in which they were asked for.
    let body = if ran {
        serde_json::to_string(&response)
    } else {
        serde_json::to_string(&serde_json::json!({ "errors": response.errors }))
    };
    let mut answer = Response::builder()
        .status(status)
        .content_type(format!("{media_type}; charset=utf-8"))
        .body(body.unwrap_or_default());
    if let Some(code) = refused {
        answer.set_data(RefusalCode(code));
    }
    answer
}

/// The `extensions.code` of an error.
fn code(error: &ServerError) -> Option<String> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A defect of ours is told as one, with the id to find it in the log by.
    #[tokio::test]
    async fn a_panic_is_answered_with_internal() {
        let response = or_internal(async { panic!("a secret") }, "an-id").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let text = response.into_body().into_string().await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({ "code": "INTERNAL", "requestId": "an-id" });
        assert_eq!(body["errors"][0]["extensions"], expected);
        assert!(body.get("data").is_none() && !text.contains("secret"));
    }
}
