//! The client's IP address behind proxies.
//!
//! A peer that is not in `TRUSTED_PROXIES` is the client, whatever its headers say. Behind a
//! trusted one, `Forwarded` (RFC 7239), `X-Forwarded-For` and `X-Real-IP` are read from the right,
//! where the nearest proxy has written: the first IP address that is not a trusted proxy's is the
//! client.
//!
//! No header takes precedence. A proxy sets one or two of them and passes the others through as
//! the client sent them, and it is unknown which; so if two name different clients, or one of two
//! cannot be parsed, the peer's own IP address counts. With a single header, anybody may have
//! written what is to the left of something that cannot be parsed, so the last trusted IP address
//! counts.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use poem::http::{HeaderMap, HeaderName, header};

#[cfg(test)]
mod tests;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// More hops of one header are not looked at.
const MAX_HOPS: usize = 32;

/// The client's IP address: `peer`, or the one named by its headers if it is a trusted proxy.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_proxy = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
    if !is_proxy(&peer) {
        return peer;
    }
    let walks = [
        walk(peer, headers, &header::FORWARDED, forwarded_for, is_proxy),
        walk(peer, headers, &X_FORWARDED_FOR, address, is_proxy),
        walk(peer, headers, &X_REAL_IP, address, is_proxy),
    ];
    let walks: Vec<_> = walks.into_iter().flatten().collect();
    if let [walk] = walks[..] {
        return walk.unwrap_or_else(|last_proxy| last_proxy);
    }
    let Ok(mut named) = walks.into_iter().collect::<Result<Vec<_>, _>>() else {
        return peer;
    };
    // A header that names only proxies does not contradict one that names a client.
    if !named.iter().all(is_proxy) {
        named.retain(|ip| !is_proxy(ip));
    }
    named.dedup();
    match named[..] {
        [client] => client,
        _ => peer,
    }
}

/// Whether a trusted proxy says that the client came to it by HTTPS.
pub(super) fn came_by_https(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    let values = headers.get_all(&X_FORWARDED_PROTO).iter();
    let mut schemes = values
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .peekable();
    // One hop without HTTPS is enough for a no.
    trusted.iter().any(|network| network.contains(&peer))
        && schemes.peek().is_some()
        && schemes.all(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

/// Follows a header from the right, where the nearest proxy has written, to the first IP address
/// that is not a proxy's; to the last proxy if all are. The error is the last proxy before
/// something that cannot be parsed. `None` if the header names nobody.
fn walk(
    peer: IpAddr,
    headers: &HeaderMap,
    name: &HeaderName,
    parse: fn(&str) -> Option<IpAddr>,
    is_proxy: impl Fn(&IpAddr) -> bool,
) -> Option<Result<IpAddr, IpAddr>> {
    let (mut last_proxy, mut hops) = (peer, 0);
    for line in headers.get_all(name).iter().rev() {
        let Ok(line) = line.to_str() else {
            return Some(Err(last_proxy));
        };
        for hop in elements(line, ',').into_iter().rev() {
            if hop.is_empty() {
                continue;
            }
            hops += 1;
            match parse(hop) {
                Some(ip) if hops <= MAX_HOPS && is_proxy(&ip) => last_proxy = ip,
                Some(ip) if hops <= MAX_HOPS => return Some(Ok(ip)),
                _ => return Some(Err(last_proxy)),
            }
        }
    }
    (hops > 0).then_some(Ok(last_proxy))
}

/// Splits a text at separators outside quotes, and trims the parts.
fn elements(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|c| {
        let ends = !quoted && c == separator;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends
    });
    parts.map(str::trim).collect()
}

/// The IP address in the parameter `for` of one element of `Forwarded`. `unknown` and obfuscated
/// names, which begin with `_`, are none.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut named = elements(element, ';').into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then_some(value.trim())
    });
    let value = named.next().filter(|_| named.next().is_none())?;
    match value.strip_prefix('"') {
        // Nothing in an IP address is ever escaped.
        Some(quoted) => address(quoted.strip_suffix('"')?),
        None => address(value),
    }
}

/// An IP address, with a port or without; IPv6 may be in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let ip = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .ok()
        .or_else(|| {
            let bare = text.strip_prefix('[')?.strip_suffix(']')?;
            bare.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6)
        })?;
    Some(ip.to_canonical())
}
