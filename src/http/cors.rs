//! CORS: which pages of other origins may read responses. A request of any other origin is answered
//! as if it had none: the browser keeps the response from the page, and does not send a request that
//! needs a preflight at all.

use std::sync::Arc;

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};

use super::REQUEST_ID;

/// How long a browser may cache a preflight, in seconds.
const MAX_AGE: &str = "3600";
const METHODS: &str = "GET, POST";
const HEADERS: &str = "authorization, content-type, accept, apollo-require-preflight, x-request-id";

/// `CORS_ALLOWED_ORIGINS` as header values.
pub(super) fn origins(list: &[String]) -> Arc<[HeaderValue]> {
    let origins = list.iter().map(|origin| HeaderValue::from_str(origin));
    origins.filter_map(Result::ok).collect()
}

/// Answers preflight requests of listed origins, and adds the CORS headers to other responses.
pub(super) async fn allow<E: Endpoint>(
    endpoint: Arc<E>,
    request: Request,
    origins: Arc<[HeaderValue]>,
) -> poem::Result<Response> {
    let origin = request.headers().get(header::ORIGIN);
    let origin = origin.filter(|origin| origins.contains(origin)).cloned();
    let is_preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if origin.is_some() && is_preflight {
        Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS)
            .header(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS)
            .header(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE)
            .finish()
    } else {
        endpoint.get_response(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(REQUEST_ID),
        );
    }
    Ok(response)
}
