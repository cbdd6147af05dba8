//! The headers that every answer has, whoever made it.

use poem::Response;
use poem::http::{HeaderName, HeaderValue, header};

use super::REQUEST_ID;

/// What an answer carries unless it says otherwise: pages have a policy of their own, and public
/// keys may be kept.
const DEFAULTS: [(HeaderName, &str); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    // For whoever embeds it unasked; what CORS allows may be read all the same.
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// A year. Other hosts of the domain are not ours to speak for.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds what is missing. Browsers are told to come back by HTTPS only if they have come by it:
/// over plain HTTP they must not believe it (RFC 6797, 7.2), and where TLS is not set up they could
/// not come back at all.
pub(super) fn add(response: &mut Response, request_id: &str, is_secure: bool) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in DEFAULTS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    // For browsers that do not know the policy's word for it: a mail is framed by its own page.
    let policy = headers.get(header::CONTENT_SECURITY_POLICY);
    let in_own_page = policy
        .and_then(|policy| policy.to_str().ok())
        .is_some_and(|policy| policy.contains("frame-ancestors 'self'"));
    let frames = if in_own_page { "SAMEORIGIN" } else { "DENY" };
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static(frames));
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
}
