//! Who is on the other end, when there are proxies in between.
//!
//! A peer that is not in `TRUSTED_PROXIES` is the client, whatever its headers say. Behind a
//! trusted one, `Forwarded` (RFC 7239), `X-Forwarded-For` and `X-Real-IP` are read from the right,
//! where the nearest proxy has written: the first address that is not a trusted proxy's is the
//! client.
//!
//! No header wins over another. A proxy writes one or two of them and lets the others through as
//! the client has sent them, and which ones cannot be told from here; so where two name different
//! clients, or one of two cannot be read, the peer's own address counts. Where there is but one,
//! what stands to the left of something that cannot be read may be anybody's, so the last trusted
//! address counts.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use poem::http::{HeaderMap, HeaderName, header};

#[cfg(test)]
mod tests;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// How many hops of one header are looked at; nobody has more proxies in a row.
const MAX_HOPS: usize = 32;

/// The client's address: `peer`, or whom its headers name if it is a trusted proxy.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_proxy = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
    if !is_proxy(&peer) {
        return peer;
    }
    let hops = [
        hops(headers, &header::FORWARDED, forwarded_for),
        hops(headers, &X_FORWARDED_FOR, address),
        hops(headers, &X_REAL_IP, address),
    ];
    let walks = hops.iter().filter(|hops| !hops.is_empty());
    let walks: Vec<_> = walks
        .map(|hops| nearest_client(peer, hops, is_proxy))
        .collect();
    if let [walk] = walks[..] {
        return walk.unwrap_or_else(|last_trusted| last_trusted);
    }
    let Ok(named) = walks.into_iter().collect::<Result<Vec<_>, _>>() else {
        return peer;
    };
    // One that only knows of proxies does not contradict one that has looked further.
    let outside: Vec<_> = named.iter().filter(|ip| !is_proxy(ip)).collect();
    let named: Vec<_> = if outside.is_empty() {
        named.iter().collect()
    } else {
        outside
    };
    match named.split_first() {
        Some((first, rest)) if rest.iter().all(|other| other == first) => **first,
        _ => peer,
    }
}

/// Whether a trusted proxy says that the client came to it by HTTPS.
pub(super) fn came_by_https(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    if !trusted.iter().any(|network| network.contains(&peer)) {
        return false;
    }
    let schemes: Vec<_> = values(headers, &X_FORWARDED_PROTO).collect();
    // Where one hop was not, it does not matter whether another was.
    !schemes.is_empty()
        && schemes.iter().all(|value| {
            value.is_some_and(|text| {
                text.split(',')
                    .all(|s| s.trim().eq_ignore_ascii_case("https"))
            })
        })
}

/// The lines of a header, `None` where one is no text.
fn values<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl DoubleEndedIterator<Item = Option<&'h str>> {
    headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().ok())
}

/// The hops a header tells of, the nearest first; `None` where one cannot be read.
fn hops(
    headers: &HeaderMap,
    name: &HeaderName,
    read: fn(&str) -> Option<IpAddr>,
) -> Vec<Option<IpAddr>> {
    let mut hops = Vec::new();
    for line in values(headers, name).rev() {
        let Some(line) = line else {
            hops.push(None);
            break;
        };
        for hop in elements(line, ',')
            .into_iter()
            .rev()
            .filter(|hop| !hop.is_empty())
        {
            hops.push(if hops.len() < MAX_HOPS {
                read(hop)
            } else {
                None
            });
            if hops.last() == Some(&None) {
                return hops;
            }
        }
    }
    hops
}

/// The first of the hops that is no proxy; the last proxy if all are. What cannot be read ends the
/// walk: then the error is the last trusted address.
fn nearest_client(
    peer: IpAddr,
    hops: &[Option<IpAddr>],
    is_proxy: impl Fn(&IpAddr) -> bool,
) -> Result<IpAddr, IpAddr> {
    let mut last = peer;
    for hop in hops {
        match hop {
            None => return Err(last),
            Some(ip) if is_proxy(ip) => last = *ip,
            Some(ip) => return Ok(*ip),
        }
    }
    Ok(last)
}

/// The parts of a text between separators that are not in quotes, trimmed.
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

/// The address in the parameter `for` of one element of `Forwarded`. `unknown` and the made-up
/// names that begin with `_` are none.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut named = elements(element, ';').into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then_some(value.trim())
    });
    let value = named.next().filter(|_| named.next().is_none())?;
    match value.strip_prefix('"') {
        // No address has anything to escape.
        Some(quoted) => address(quoted.strip_suffix('"')?),
        None => address(value),
    }
}

/// An address, with a port or without; IPv6 may be in brackets.
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
