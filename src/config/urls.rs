//! URLs, origins and networks among the settings.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Url;

use super::parser::Parser;
use super::reader::Reader;

pub(super) fn app_url() -> Parser<String> {
    let accepted = "an http:// or https:// URL without user, query or fragment";
    Parser::new(accepted, String::new(), |text| web_url(text.trim()))
}

/// `APP_URL`, if it is valid.
pub(super) fn public_url(r: &Reader) -> Option<String> {
    web_url(r.value("APP_URL")?.trim())
}

/// Without a slash at the end.
pub(super) fn web_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_valid = ["http", "https"].contains(&url.scheme())
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    is_valid.then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// The default of `CORS_ALLOWED_ORIGINS`.
pub(super) fn own_origin(r: &Reader) -> String {
    let url = public_url(r).filter(|_| !r.is_production());
    let url = url.and_then(|url| Url::parse(&url).ok());
    url.map_or_else(String::new, |url| url.origin().ascii_serialization())
}

pub(super) fn origin(text: &str) -> Option<String> {
    let url = web_url(text)?;
    let origin = Url::parse(&url).ok()?.origin().ascii_serialization();
    let has_wildcard = origin.contains('*');
    (!has_wildcard && url == origin).then_some(origin)
}

/// A network, or an IP address as a network of one. A network of all addresses is refused: then
/// any client could claim any address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network.trunc(),
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical()),
    };
    (network.prefix_len() > 0).then_some(network)
}

pub(super) fn is_database_url(text: &str) -> bool {
    match text.split_once(':') {
        Some(("sqlite", rest)) => !rest.is_empty(),
        Some(("postgres" | "postgresql", _)) => Url::parse(text).is_ok(),
        _ => false,
    }
}

pub(super) fn is_redis_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| ["redis", "rediss"].contains(&url.scheme()) && url.has_host())
}
