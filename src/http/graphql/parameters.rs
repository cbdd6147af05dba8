//! The parameters of a request, from its body or its URL.

use poem::error::ReadBodyError;
use poem::http::{StatusCode, header};
use poem::{Body, Request};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;

use super::{JSON, Refusal};
use crate::config::ConnectionsConfig;

#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    expecting = "an object with the key \"query\""
)]
pub(super) struct Parameters {
    pub(super) query: Option<String>,
    pub(super) operation_name: Option<String>,
    pub(super) variables: Option<serde_json::Map<String, serde_json::Value>>,
    pub(super) extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

pub(super) fn from_url(request: &Request) -> Result<Parameters, Refusal> {
    /// The parameters in the URL; the last two are JSON texts.
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
            .map_err(|_| Refusal::bad_request(format!("\"{name}\" is not a JSON object."))),
    };
    Ok(Parameters {
        variables: object("variables", given.variables)?,
        extensions: object("extensions", given.extensions)?,
        query: given.query,
        operation_name: given.operation_name.filter(|name| !name.is_empty()),
    })
}

pub(super) async fn from_body(
    request: &Request,
    body: Body,
    limits: &ConnectionsConfig,
) -> Result<Parameters, Refusal> {
    if !is_json(request.content_type().unwrap_or_default()) {
        return Err(Refusal::request(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send application/json in UTF-8.",
        ));
    }
    // A small body could decompress to a huge one, and no client needs this.
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let refusal = Refusal::request(status, "Send the body uncompressed.");
        return Err(refusal.with_header("accept-encoding", "identity"));
    }
    let max = limits.max_body_bytes;
    let reading = body.into_bytes_limit(max);
    let body = tokio::time::timeout(limits.request_timeout, reading)
        .await
        .map_err(|_| {
            Refusal::request(
                StatusCode::REQUEST_TIMEOUT,
                "The body took too long to arrive.",
            )
        })?
        .map_err(|error| match error {
            ReadBodyError::PayloadTooLarge => {
                let message = format!("A body has at most {max} bytes.");
                Refusal::request(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            _ => Refusal::bad_request("The body could not be read."),
        })?;
    if body.trim_ascii_start().starts_with(b"[")
        && serde_json::from_slice::<IgnoredAny>(&body).is_ok()
    {
        return Err(Refusal::bad_request("Batches are not supported."));
    }
    // Not by way of `serde_json::Value`, which would accept duplicate keys.
    serde_json::from_slice(&body).map_err(|error| {
        Refusal::bad_request(match error.classify() {
            Category::Data => format!("The body is not a GraphQL request: {error}."),
            _ => "The body is not JSON.".to_owned(),
        })
    })
}

/// Whether a content type is JSON in UTF-8. It is compared as a whole, so that no type passes that a
/// browser sends without a preflight.
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
