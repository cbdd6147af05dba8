//! The headers that every response has.

use poem::Response;
use poem::http::{HeaderName, HeaderValue, header};

use super::REQUEST_ID;

/// The defaults. Pages have a policy of their own, a mail may be framed by the mailbox page, and
/// public keys may be cached.
const DEFAULTS: [(HeaderName, &str); 8] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    // Against embedding; what CORS allows can be read nevertheless.
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// One year, for this host only.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds the headers that are missing. `Strict-Transport-Security` is sent over HTTPS only: browsers
/// must ignore it over HTTP (RFC 6797, 7.2).
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
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
}
