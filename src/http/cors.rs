//! Which pages of other origins may read answers. A request of any other origin is answered as if
//! it had none: the browser keeps the answer from the page, and without leave sends nothing that
//! is of use here.

use std::sync::Arc;

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};

use super::REQUEST_ID;

/// How long a browser may remember what is allowed, in seconds.
const MAX_AGE: &str = "3600";
const METHODS: &str = "GET, POST";
const HEADERS: &str = "authorization, content-type, accept, apollo-require-preflight, x-request-id";

/// The origins of `CORS_ALLOWED_ORIGINS` as browsers send them.
pub(super) fn origins(list: &[String]) -> Arc<[HeaderValue]> {
    let origins = list.iter().map(|origin| HeaderValue::from_str(origin));
    origins.filter_map(Result::ok).collect()
}

/// Answers the questions browsers ask first, and marks the answers that an origin may read.
pub(super) async fn allow<E: Endpoint>(
    endpoint: Arc<E>,
    request: Request,
    origins: Arc<[HeaderValue]>,
) -> poem::Result<Response> {
    let origin = request.headers().get(header::ORIGIN);
    let origin = origin.filter(|origin| origins.contains(origin)).cloned();
    let asks_first = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if origin.is_some() && asks_first {
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
