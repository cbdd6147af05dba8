//! GraphQL over HTTP. async-graphql's own endpoint runs mutations by GET, accepts any content type and
//! always answers 200.
//!
//! A request that is wrong in itself has a status of its own. A document that cannot be executed is
//! answered with 400 if the client accepts `application/graphql-response+json`, and with 200 if it
//! accepts `application/json` only.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_graphql::parser::types::OperationType;
use async_graphql::{ServerError, Value, Variables};
use futures::FutureExt;
use poem::http::{Method, StatusCode, header};
use poem::web::Data;
use poem::{Body, Request, Response, handler};
use tracing::Instrument;

use super::accept::negotiate;
use super::{HttpState, pages};
use crate::graphql::error::{self, bad_user_input, code, with_extension};
use crate::service::{AuthenticationError, Caller};
use crate::telemetry::metrics::{ErrorPlace, count_error};
use crate::telemetry::{self, event};

mod parameters;
mod persisted;

const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";
const JSON: &str = "application/json";
const HTML: &str = "text/html";

/// A request that is refused before it is executed.
struct Refusal {
    /// `None` for 400, or 200 with `application/json`.
    status: Option<StatusCode>,
    error: Box<ServerError>,
    header: Option<(&'static str, &'static str)>,
}

/// A document that cannot be executed.
impl From<ServerError> for Refusal {
    fn from(error: ServerError) -> Self {
        Self {
            status: None,
            error: Box::new(error),
            header: None,
        }
    }
}

impl Refusal {
    fn new(status: StatusCode, error: ServerError) -> Self {
        Self {
            status: Some(status),
            ..Self::from(error)
        }
    }

    /// A request that does not follow GraphQL over HTTP.
    fn request(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, bad_user_input(message))
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::request(StatusCode::BAD_REQUEST, message)
    }

    fn method(allowed: &'static str, message: &str) -> Self {
        Self::request(StatusCode::METHOD_NOT_ALLOWED, message).with_header("allow", allowed)
    }

    fn with_header(self, name: &'static str, value: &'static str) -> Self {
        let header = Some((name, value));
        Self { header, ..self }
    }
}

/// Why a document was not executed, kept with the response for the log.
#[derive(Clone)]
pub(super) struct RefusalCode(pub(super) String);

/// `/graphql`.
#[handler]
pub(super) async fn graphql(
    request: &Request,
    body: Body,
    Data(state): Data<&Arc<HttpState>>,
    Data(caller): Data<&Caller>,
) -> Response {
    let request_id = caller.request_id().unwrap_or_default();
    let response = respond(state, caller.clone(), request, body);
    or_internal(response, request_id).await
}

/// The response, or INTERNAL after a panic, which the panic hook has logged.
async fn or_internal(response: impl Future<Output = Response>, request_id: &str) -> Response {
    let response = AssertUnwindSafe(response).catch_unwind().await;
    response.unwrap_or_else(|_| {
        let response = async_graphql::Response::from_errors(vec![error::internal()]);
        let status = Some(StatusCode::INTERNAL_SERVER_ERROR);
        encode(response, request_id, JSON, status)
    })
}

async fn respond(state: &HttpState, caller: Caller, request: &Request, body: Body) -> Response {
    let request_id = caller.request_id().unwrap_or_default().to_owned();
    let with_graphiql = state.http.graphiql && request.method() == Method::GET;
    let media_type = media_type(request, with_graphiql);
    let result = match media_type {
        Some(HTML) => return pages::graphiql(),
        Some(_) => run(state, caller, request, body).await,
        None => {
            let message = format!("Accept {GRAPHQL_RESPONSE} or {JSON}.");
            Err(Refusal::request(StatusCode::NOT_ACCEPTABLE, message))
        }
    };
    let media_type = media_type.unwrap_or(JSON);
    match result {
        Ok(response) => encode(response, &request_id, media_type, None),
        Err(refusal) => {
            let response = async_graphql::Response::from_errors(vec![*refusal.error]);
            let mut response = encode(response, &request_id, media_type, refusal.status);
            if let Some((name, value)) = refusal.header {
                let value = header::HeaderValue::from_static(value);
                response.headers_mut().insert(name, value);
            }
            response
        }
    }
}

/// The media type of the response: the one that the client prefers, `application/json` if it has no
/// preference. `None` if it accepts neither.
fn media_type(request: &Request, with_graphiql: bool) -> Option<&'static str> {
    let headers = request.headers().get_all(header::ACCEPT).iter();
    let accept: Vec<_> = headers.filter_map(|header| header.to_str().ok()).collect();
    match (accept.is_empty(), with_graphiql) {
        // As GraphQL over HTTP demands for clients without the header.
        (true, _) => Some(GRAPHQL_RESPONSE),
        (false, true) => negotiate(&accept.join(","), &[JSON, GRAPHQL_RESPONSE, HTML]),
        (false, false) => negotiate(&accept.join(","), &[JSON, GRAPHQL_RESPONSE]),
    }
}

async fn run(
    state: &HttpState,
    caller: Caller,
    request: &Request,
    body: Body,
) -> Result<async_graphql::Response, Refusal> {
    let mut parameters = match *request.method() {
        Method::GET => parameters::from_url(request)?,
        Method::POST => parameters::from_body(request, body, &state.http.connections).await?,
        _ => return Err(Refusal::method("GET, POST", "Use GET or POST.")),
    };
    let (document, to_share) = persisted::document(state, &mut parameters).await?;
    let operation = document.operation(parameters.operation_name.as_deref())?;
    if request.method() == Method::GET && operation.kind != OperationType::Query {
        return Err(Refusal::method("POST", "Only queries can be sent by GET."));
    }

    let variables = parameters.variables.unwrap_or_default();
    let variables = Variables::from_json(serde_json::Value::Object(variables));
    let executed = document.request(operation, variables)?;
    let caller = authenticate(caller, request, operation.is_public).await?;
    let executed = executed.data(caller);
    let begun = Instant::now();
    let span = telemetry::operation_span();
    let fields: Vec<_> = operation.root_fields.iter().map(String::as_str).collect();
    telemetry::describe(&span, "graphql.fields", fields.join(" "));
    let running = state.schema.execute(executed).instrument(span);
    let result = tokio::time::timeout(state.operation_timeout, running).await;
    for field in fields {
        state.services.metrics().operation(field, begun.elapsed());
    }
    match result {
        Ok(response) => {
            // Only valid documents are shared.
            if let Some((hash, text)) = to_share.filter(|_| was_executed(&response)) {
                state.services.share_document(hash, &text).await;
            }
            Ok(response)
        }
        Err(elapsed) => {
            event::emit(event::InternalError::new(&elapsed));
            let error = error::timed_out();
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error))
        }
    }
}

/// Whether a document was executed.
fn was_executed(response: &async_graphql::Response) -> bool {
    response.errors.iter().all(|error| !error.path.is_empty()) || response.data != Value::Null
}

/// Authenticates the request's access token. An invalid token is refused, unless the operation is
/// public: a client that has one must be able to refresh its session and to sign in.
async fn authenticate(
    caller: Caller,
    request: &Request,
    is_public: bool,
) -> Result<Caller, Refusal> {
    let mut given = request.headers().get_all(header::AUTHORIZATION).iter();
    let Some(authorization) = given.next() else {
        return Ok(caller);
    };
    // Two headers are refused: a proxy may have checked the other one.
    let token = Some(authorization)
        .filter(|_| given.next().is_none())
        .and_then(|authorization| authorization.to_str().ok())
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map_or("", |(_, token)| token.trim());
    match caller.authenticate(token).await {
        Ok(session) => Ok(caller.signed_in_as(session)),
        Err(AuthenticationError::Rejected(_)) if is_public => Ok(caller),
        Err(AuthenticationError::Rejected(rejection)) => {
            let refusal = Refusal::new(StatusCode::UNAUTHORIZED, error::rejected(rejection));
            Err(refusal.with_header("www-authenticate", "Bearer error=\"invalid_token\""))
        }
        Err(AuthenticationError::Internal(error)) => {
            event::emit(event::InternalError::new(&error));
            let error = error::internal();
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error))
        }
    }
}

/// Serialises a response. One of a document that was not executed has no `data`.
fn encode(
    mut response: async_graphql::Response,
    request_id: &str,
    media_type: &'static str,
    status: Option<StatusCode>,
) -> Response {
    let errors = response.errors.into_iter();
    let errors = errors.map(|error| with_extension(error, "requestId", request_id));
    response.errors = errors.collect();
    for code in response.errors.iter().filter_map(code) {
        count_error(ErrorPlace::Top, code);
    }
    let was_executed = was_executed(&response);
    let status = status.unwrap_or(if was_executed || media_type == JSON {
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    });
    // Not by way of `serde_json::Value`, which would sort the fields.
    let body = if was_executed {
        serde_json::to_string(&response)
    } else {
        serde_json::to_string(&serde_json::json!({ "errors": response.errors }))
    };
    let mut encoded = Response::builder()
        .status(status)
        .content_type(format!("{media_type}; charset=utf-8"))
        .body(body.unwrap_or_default());
    if !was_executed && let Some(code) = response.errors.first().and_then(code) {
        encoded.set_data(RefusalCode(code.to_owned()));
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A panic is answered like any other internal error, with the id to find it in the log.
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
