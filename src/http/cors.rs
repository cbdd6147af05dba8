//! CORS: which pages of other origins may read responses. A request of any other origin is answered
//! as if it had none: the browser keeps the response from the page, and does not send a request that
//! needs a preflight at all.

use std::sync::Arc;

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};

use super::{HttpState, REQUEST_ID};

/// How long a browser may cache a preflight, in seconds.
const MAX_AGE: &str = "3600";
const METHODS: &str = "GET, POST";
const HEADERS: &str = "authorization, content-type, accept, apollo-require-preflight, x-request-id";

/// Answers preflight requests of listed origins, and adds the CORS headers to other responses.
pub(super) async fn allow<E: Endpoint>(
    endpoint: Arc<E>,
    request: Request,
    state: Arc<HttpState>,
) -> poem::Result<Response> {
    let origin = request.headers().get(header::ORIGIN);
    let allowed = &state.http.cors_allowed_origins;
    let origin = origin.filter(|origin| allowed.iter().any(|allowed| *origin == allowed));
    let origin = origin.cloned();
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
