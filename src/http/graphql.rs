//! `/graphql`: GraphQL over HTTP, of our own, because the stock endpoint runs mutations by GET,
//! takes any content type and always answers 200.
//!
//! What is wrong with the request itself is answered with a status of its own. Whatever is wrong
//! with the document is 400 for clients that accept `application/graphql-response+json`, and 200
//! for those that know `application/json` only.

use std::sync::Arc;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::OperationType;
use async_graphql::{Request as Operation, ServerError, Value, Variables};
use poem::endpoint::make;
use poem::error::ReadBodyError;
use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use serde::Deserialize;

use super::accept::{prefers, quality};
use super::{Edge, pages};
use crate::domain::client::Client;
use crate::domain::session::Actor;
use crate::graphql::guard::{self, DocumentLimits};
use crate::graphql::operation::{operation_type, root_field_names};
use crate::graphql::{
    Caller, EXECUTION_TIMEOUT, PUBLIC_FIELDS, RequestError, RequestId, Unauthenticated,
    set_request_id,
};
use crate::service::AuthenticationError;
use crate::telemetry::{Event, Facts};

const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";
const JSON: &str = "application/json";
/// The longest body, in bytes.
const MAX_BODY: usize = 256 * 1024;

/// The parameters of a request, from its body or its URL.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

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
pub(super) fn endpoint(edge: Arc<Edge>) -> impl Endpoint {
    make(move |request| {
        let edge = Arc::clone(&edge);
        async move { Ok::<_, poem::Error>(answer(&edge, request).await) }
    })
}

async fn answer(edge: &Edge, mut request: Request) -> Response {
    let accept = request.header(header::ACCEPT).map(str::to_owned);
    let accept = accept.as_deref();
    if edge.http.graphiql && request.method() == Method::GET && prefers(accept, "text/html", JSON) {
        return pages::graphiql();
    }
    let Some(media_type) = media_type(accept) else {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    };
    let request_id = request
        .data::<RequestId>()
        .cloned()
        .unwrap_or(RequestId(String::new()));
    let (response, status, header) = match run(edge, &mut request, &request_id).await {
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
    let mut answer = encode(response, &request_id, media_type, status);
    if let Some((name, value)) = header {
        answer
            .headers_mut()
            .insert(name, header::HeaderValue::from_static(value));
    }
    answer
}

/// The media type to answer with: what the client likes best of the two, `application/json` where
/// it does not say. `None` if it takes neither.
fn media_type(accept: Option<&str>) -> Option<&'static str> {
    let Some(accept) = accept else {
        return Some(JSON);
    };
    if prefers(Some(accept), GRAPHQL_RESPONSE, JSON) {
        Some(GRAPHQL_RESPONSE)
    } else {
        (quality(accept, JSON) > 0).then_some(JSON)
    }
}

async fn run(
    edge: &Edge,
    request: &mut Request,
    request_id: &RequestId,
) -> Result<async_graphql::Response, Refusal> {
    let parameters = match *request.method() {
        Method::GET => from_url(request)?,
        Method::POST => from_body(request).await?,
        _ => return Err(Refusal::method("GET, POST", "Use GET or POST.")),
    };
    let operation_name = parameters.operation_name.as_deref();
    let text = match (parameters.query, parameters.extensions) {
        (Some(text), _) => text,
        (None, Some(extensions)) if extensions.contains_key("persistedQuery") => {
            return Err(Refusal::document(RequestError::PersistedQueryNotSupported));
        }
        (None, _) => return Err(Refusal::bad_request("The parameter \"query\" is missing.")),
    };
    guard::check(&text, &DocumentLimits::default())
        .map_err(|refusal| Refusal::document(RequestError::TooComplex(refusal.to_string())))?;
    let document = parse_query(&text)
        .map_err(|error| Refusal::document(RequestError::ParseFailed(error.to_string())))?;
    let is_query = operation_type(&document, operation_name)
        .is_none_or(|operation| operation == OperationType::Query);
    if request.method() == Method::GET && !is_query {
        return Err(Refusal::method("POST", "Only queries can be sent by GET."));
    }

    let fields = root_field_names(&document, operation_name);
    let is_public = !fields.is_empty() && fields.iter().all(|field| PUBLIC_FIELDS.contains(field));
    let client = client(request);
    let actor = actor(edge, request, &client, is_public).await?;

    let variables = parameters.variables.unwrap_or_default();
    let mut operation = Operation::new(text)
        .variables(Variables::from_json(serde_json::Value::Object(variables)))
        .data(Caller {
            client,
            actor,
            request_id: request_id.clone(),
        });
    operation.operation_name = parameters.operation_name;
    operation.set_parsed_query(document);
    match tokio::time::timeout(EXECUTION_TIMEOUT, edge.schema.execute(operation)).await {
        Ok(response) => Ok(response),
        Err(elapsed) => {
            Event::InternalError.emit(Facts {
                error: Some(&elapsed),
                ..Facts::default()
            });
            Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                RequestError::Internal,
            ))
        }
    }
}

fn from_url(request: &Request) -> Result<Parameters, Refusal> {
    /// Every parameter as it stands in the URL; the last two are JSON.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct InUrl {
        query: Option<String>,
        operation_name: Option<String>,
        variables: Option<String>,
        extensions: Option<String>,
    }

    let given: InUrl = request
        .params()
        .map_err(|_| Refusal::bad_request("The parameters of the URL cannot be read."))?;
    let object = |name: &str, text: Option<String>| match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => serde_json::from_str(&text)
            .map_err(|_| Refusal::bad_request(&format!("\"{name}\" is not a JSON object."))),
    };
    Ok(Parameters {
        variables: object("variables", given.variables)?,
        extensions: object("extensions", given.extensions)?,
        query: given.query,
        operation_name: given.operation_name.filter(|name| !name.is_empty()),
    })
}

async fn from_body(request: &mut Request) -> Result<Parameters, Refusal> {
    if !is_json(request.content_type().unwrap_or_default()) {
        let message = "Send application/json in UTF-8.".to_owned();
        let error = RequestError::BadUserInput(message);
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    let body = request
        .take_body()
        .into_bytes_limit(MAX_BODY)
        .await
        .map_err(|error| match error {
            ReadBodyError::PayloadTooLarge => {
                let message = format!("A body has at most {MAX_BODY} bytes.");
                Refusal::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    RequestError::BadUserInput(message),
                )
            }
            _ => Refusal::bad_request("The body could not be read."),
        })?;
    let body: serde_json::Value =
        serde_json::from_slice(&body).map_err(|_| Refusal::bad_request("The body is not JSON."))?;
    if body.is_array() {
        return Err(Refusal::bad_request("Batches are not supported."));
    }
    serde_json::from_value(body).map_err(|error| {
        Refusal::bad_request(&format!("The body is not a GraphQL request: {error}."))
    })
}

/// Whether a content type is JSON in UTF-8. It is compared as a whole, so that no type a browser
/// sends without asking can pass.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    parts
        .next()
        .is_some_and(|media_type| media_type.eq_ignore_ascii_case(JSON))
        && parts.all(|parameter| {
            parameter.split_once('=').is_none_or(|(name, value)| {
                !name.eq_ignore_ascii_case("charset")
                    || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

fn client(request: &Request) -> Client {
    request
        .data::<Client>()
        .cloned()
        .unwrap_or_else(|| Client::new(std::net::Ipv4Addr::UNSPECIFIED.into(), None))
}

/// Who presents the token in the request. A dead token is refused here, unless the operation needs
/// none: somebody who holds one must still be able to refresh it or log in.
async fn actor(
    edge: &Edge,
    request: &Request,
    client: &Client,
    is_public: bool,
) -> Result<Option<Actor>, Refusal> {
    let Some(authorization) = request.headers().get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let token = authorization
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map_or("", |(_, token)| token.trim());
    match edge.services.authenticate(token, client).await {
        Ok(actor) => Ok(Some(actor)),
        Err(AuthenticationError::Rejected(_)) if is_public => Ok(None),
        Err(AuthenticationError::Rejected(rejection)) => {
            let error = RequestError::Unauthenticated(Unauthenticated::Rejected(rejection));
            Err(Refusal {
                header: Some(("www-authenticate", "Bearer error=\"invalid_token\"")),
                ..Refusal::new(StatusCode::UNAUTHORIZED, error)
            })
        }
        Err(AuthenticationError::Internal(error)) => {
            Event::InternalError.emit(Facts {
                error: Some(&error),
                ..Facts::default()
            });
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
    request_id: &RequestId,
    media_type: &'static str,
    status: Option<StatusCode>,
) -> Response {
    set_request_id(&mut response, request_id);
    let ran =
        response.errors.iter().all(|error| !error.path.is_empty()) || response.data != Value::Null;
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
