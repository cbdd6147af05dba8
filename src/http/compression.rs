//! Compressed answers, for clients that take them.
//!
//! The framework's middleware would also unpack requests, of which a few bytes may become a great
//! many, pack answers of ten bytes, and answer `gzip;q=0` with gzip.
//!
//! Answers with tokens are compressed too. To guess a secret by the length of answers (BREACH), a
//! page must make its victim's browser ask again and again in the victim's name. Nothing here is
//! asked with what a browser sends by itself: the token stands in a header, which only the
//! client's own code can set.

use std::sync::Arc;

use poem::http::{HeaderMap, HeaderValue, header};
use poem::web::{Compress, CompressionAlgo};
use poem::{Endpoint, IntoResponse, Request, Response};

/// The smallest body that is worth it, in bytes: less fits into one packet anyway.
const MIN_BYTES: usize = 1024;

/// Compresses an answer by what its client likes best.
pub(super) async fn compress<E: Endpoint>(
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let algorithm = algorithm(request.headers());
    let mut response = endpoint.get_response(request).await;
    // Every body is in memory already.
    let body = response.take_body().into_bytes().await;
    let body = body.map_err(poem::error::InternalServerError)?;
    let is_large = body.len() >= MIN_BYTES;
    response.set_body(body);
    if !is_large {
        return Ok(response);
    }
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    Ok(match algorithm {
        Some(algorithm) => Compress::new(response, algorithm).into_response(),
        None => response,
    })
}

/// What the client likes best of what we have; of what it likes alike, what packs best.
fn algorithm(headers: &HeaderMap) -> Option<CompressionAlgo> {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let accepted: Vec<_> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(weighted)
        .collect();
    let weight = |name: &str| {
        let of = |name: &str| {
            let mut named = accepted
                .iter()
                .filter(|(coding, _)| coding.eq_ignore_ascii_case(name));
            named.next().map(|(_, weight)| *weight)
        };
        of(name).or_else(|| of("*")).unwrap_or(0.0)
    };
    let (gzip, brotli) = (weight("gzip"), weight("br"));
    if gzip.max(brotli) <= 0.0 {
        None
    } else if brotli >= gzip {
        Some(CompressionAlgo::BR)
    } else {
        Some(CompressionAlgo::GZIP)
    }
}

/// A coding and its weight; one that cannot be read is not wanted.
fn weighted(item: &str) -> (&str, f32) {
    let (coding, parameter) = item.split_once(';').unwrap_or((item, "q=1"));
    let weight = parameter.trim().to_ascii_lowercase();
    let weight = weight.strip_prefix("q=").and_then(|q| q.parse().ok());
    (coding.trim(), weight.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client's word counts, also its word against a coding.
    #[test]
    fn the_client_chooses() {
        for (accepted, algorithm_of) in [
            (None, None),
            (Some(""), None),
            (Some("identity"), None),
            (Some("zstd, deflate"), None),
            (Some("gzip;q=0"), None),
            (Some("*;q=0"), None),
            (Some("br;q=nonsense"), None),
            (Some("gzip"), Some(CompressionAlgo::GZIP)),
            (Some("GZIP;Q=0.5"), Some(CompressionAlgo::GZIP)),
            (Some("gzip, deflate, br, zstd"), Some(CompressionAlgo::BR)),
            (Some("br;q=0.5, gzip;q=0.9"), Some(CompressionAlgo::GZIP)),
            (Some("*, br;q=0"), Some(CompressionAlgo::GZIP)),
            (Some("*"), Some(CompressionAlgo::BR)),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accepted) = accepted {
                let value = HeaderValue::from_static(accepted);
                headers.insert(header::ACCEPT_ENCODING, value);
            }
            assert_eq!(algorithm(&headers), algorithm_of, "{accepted:?}");
        }
    }
}
