//! The headers that every response has.

use poem::Response;
use poem::http::{HeaderValue, header};

use super::REQUEST_ID;

/// The defaults. Pages have a policy of their own, a mail may be framed by the mailbox page, and
/// public keys may be cached.
const DEFAULTS: [(&str, &str); 8] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    // Against embedding; what CORS allows can be read nevertheless.
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
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
