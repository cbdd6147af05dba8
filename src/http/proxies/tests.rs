use std::net::Ipv6Addr;

use poem::http::HeaderValue;
use proptest::prelude::*;

use super::*;

const CLIENT: &str = "203.0.113.7";

fn trusted() -> Vec<IpNet> {
    ["10.0.0.0/8", "fd00::/8"]
        .map(|network| network.parse().unwrap())
        .into()
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// Who it is behind the proxy 10.0.0.1.
fn behind_proxy(lines: &[(&'static str, &str)]) -> String {
    client("10.0.0.1".parse().unwrap(), &headers(lines), &trusted()).to_string()
}

/// Each header alone names the client, however it is written.
#[test]
fn a_trusted_proxy_names_the_client() {
    for (name, value, expected) in [
        ("x-forwarded-for", CLIENT, CLIENT),
        ("x-forwarded-for", "203.0.113.7:4711", CLIENT),
        ("x-forwarded-for", "::ffff:203.0.113.7", CLIENT),
        ("x-forwarded-for", "2001:db8::1", "2001:db8::1"),
        ("x-forwarded-for", "[2001:db8::1]", "2001:db8::1"),
        ("x-forwarded-for", "[2001:db8::1]:4711", "2001:db8::1"),
        ("x-forwarded-for", "198.51.100.1, 203.0.113.7", CLIENT),
        (
            "x-forwarded-for",
            "198.51.100.1 ,203.0.113.7 ,, 10.1.2.3",
            CLIENT,
        ),
        (
            "x-forwarded-for",
            "203.0.113.7, fd00::9, ::ffff:10.9.9.9",
            CLIENT,
        ),
        ("x-forwarded-for", "<script>, 203.0.113.7", CLIENT),
        ("x-real-ip", CLIENT, CLIENT),
        ("x-real-ip", "[2001:db8::1]:1", "2001:db8::1"),
        ("forwarded", "for=203.0.113.7", CLIENT),
        ("forwarded", "For=\"203.0.113.7:80\";proto=https", CLIENT),
        (
            "forwarded",
            "by=_x;FOR = \"[2001:db8::1]:4711\" ; host=\"a,b;for=1.1.1.1\"",
            "2001:db8::1",
        ),
        ("forwarded", "for=\"[2001:db8::1]\"", "2001:db8::1"),
        (
            "forwarded",
            "for=198.51.100.1, for=203.0.113.7;by=10.0.0.2, for=10.0.0.2",
            CLIENT,
        ),
        ("forwarded", "for=\"_a,\\\"b\", for=203.0.113.7", CLIENT),
    ] {
        assert_eq!(behind_proxy(&[(name, value)]), expected, "{name}: {value}");
    }
}

/// The lines of a header are one list, in their order.
#[test]
fn several_lines_are_one_list() {
    for name in ["x-forwarded-for", "x-real-ip"] {
        let lines = [
            (name, "198.51.100.1"),
            (name, "203.0.113.7, 10.0.0.4"),
            (name, "10.0.0.5"),
        ];
        assert_eq!(behind_proxy(&lines), CLIENT);
    }
}

/// What cannot be read ends the walk at the last proxy that is known.
#[test]
fn garbage_is_nobody() {
    for (name, value, expected) in [
        ("x-forwarded-for", "", "10.0.0.1"),
        ("x-forwarded-for", " , ", "10.0.0.1"),
        ("x-forwarded-for", "unknown", "10.0.0.1"),
        ("x-forwarded-for", "203.0.113.7, unknown", "10.0.0.1"),
        (
            "x-forwarded-for",
            "203.0.113.7, unknown, 10.0.0.9",
            "10.0.0.9",
        ),
        ("x-forwarded-for", "203.0.113.7 198.51.100.1", "10.0.0.1"),
        ("x-forwarded-for", "203.0.113.007", "10.0.0.1"),
        ("x-forwarded-for", "203.0.113.7:99999", "10.0.0.1"),
        ("x-forwarded-for", "\"203.0.113.7\"", "10.0.0.1"),
        ("x-real-ip", "localhost", "10.0.0.1"),
        ("forwarded", "for=unknown", "10.0.0.1"),
        ("forwarded", "for=_hidden", "10.0.0.1"),
        (
            "forwarded",
            "for=203.0.113.7, for=\"_hidden\", for=10.0.0.9",
            "10.0.0.9",
        ),
        ("forwarded", "proto=https", "10.0.0.1"),
        ("forwarded", "for=203.0.113.7;for=198.51.100.1", "10.0.0.1"),
        ("forwarded", "for=\"203.0.113.7", "10.0.0.1"),
        ("forwarded", "203.0.113.7", "10.0.0.1"),
    ] {
        assert_eq!(behind_proxy(&[(name, value)]), expected, "{name}: {value}");
    }
    let mut bytes = HeaderMap::new();
    bytes.append("x-forwarded-for", HeaderValue::from_static(CLIENT));
    bytes.append("x-forwarded-for", HeaderValue::from_bytes(b"\xff").unwrap());
    let ip = client("10.0.0.1".parse().unwrap(), &bytes, &trusted());
    assert_eq!(ip.to_string(), "10.0.0.1");
    let long = format!("{CLIENT}{}", ", 10.0.0.9".repeat(1000));
    assert_eq!(behind_proxy(&[("x-forwarded-for", &long)]), "10.0.0.9");
}

/// A proxy lets through the headers that it does not write itself: what a client puts there must
/// not win over what the proxy says.
#[test]
fn headers_that_disagree_are_not_believed() {
    let forged = "198.51.100.66";
    let forged_element = format!("for={forged}");
    for lines in [
        [("x-forwarded-for", CLIENT), ("x-real-ip", forged)],
        [("x-forwarded-for", forged), ("x-real-ip", CLIENT)],
        [("x-forwarded-for", CLIENT), ("forwarded", &forged_element)],
        [("x-real-ip", CLIENT), ("forwarded", &forged_element)],
        [("x-real-ip", CLIENT), ("forwarded", "for=_hidden")],
        [("x-real-ip", "nonsense"), ("x-forwarded-for", CLIENT)],
        // Nor may the client choose which proxy it seems to be.
        [
            ("x-real-ip", CLIENT),
            ("x-forwarded-for", "nonsense, 10.0.0.77"),
        ],
    ] {
        assert_eq!(behind_proxy(&lines), "10.0.0.1", "{lines:?}");
    }
    for lines in [
        [("x-forwarded-for", CLIENT), ("x-real-ip", CLIENT)],
        [
            ("x-forwarded-for", CLIENT),
            ("forwarded", "for=\"203.0.113.7:9\""),
        ],
        // The inner proxy's X-Real-IP is the outer proxy.
        [("x-forwarded-for", CLIENT), ("x-real-ip", "10.0.0.2")],
    ] {
        assert_eq!(behind_proxy(&lines), CLIENT, "{lines:?}");
    }
}

/// A request that begins inside comes from the proxy farthest out.
#[test]
fn a_client_among_the_proxies_is_itself() {
    assert_eq!(
        behind_proxy(&[("x-forwarded-for", "10.0.0.7, 10.0.0.2")]),
        "10.0.0.7"
    );
    assert_eq!(behind_proxy(&[]), "10.0.0.1");
}

/// Only a trusted proxy can say that a request came by HTTPS, and only of the whole way.
#[test]
fn https_is_believed_of_trusted_proxies() {
    let said = |peer: &str, lines: &[(&'static str, &str)]| {
        came_by_https(peer.parse().unwrap(), &headers(lines), &trusted())
    };
    for peer in ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1"] {
        assert!(said(peer, &[("x-forwarded-proto", "https")]));
        assert!(said(peer, &[("x-forwarded-proto", "HTTPS, https")]));
        assert!(!said(peer, &[("x-forwarded-proto", "https, http")]));
        assert!(!said(
            peer,
            &[
                ("x-forwarded-proto", "https"),
                ("x-forwarded-proto", "http")
            ]
        ));
        assert!(!said(peer, &[("x-forwarded-proto", "")]));
        assert!(!said(peer, &[]));
    }
    assert!(!said(CLIENT, &[("x-forwarded-proto", "https")]));
}

fn any_ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
        any::<[u8; 4]>().prop_map(|ip| IpAddr::V6(std::net::Ipv4Addr::from(ip).to_ipv6_mapped())),
        // In the middle of the proxies, and beside them.
        any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([10, b, c, d])),
        any::<u64>()
            .prop_map(|low| IpAddr::V6(Ipv6Addr::from((0xfdu128 << 120) + u128::from(low)))),
    ]
}

/// Lines that look like forwarding headers, and lines that do not.
fn any_lines() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    let name = prop_oneof![
        Just(header::FORWARDED),
        Just(X_FORWARDED_FOR),
        Just(X_REAL_IP),
        Just(X_FORWARDED_PROTO),
    ];
    let hop = prop_oneof![
        any_ip().prop_map(|ip| ip.to_string()),
        any_ip().prop_map(|ip| format!("for=\"[{ip}]:1\"")),
        any_ip().prop_map(|ip| format!("for={ip};proto=https")),
        "[ -~]{0,20}",
    ];
    let list = prop::collection::vec(hop, 0..6).prop_map(|hops| hops.join(", ").into_bytes());
    let value = prop_oneof![list, prop::collection::vec(any::<u8>(), 0..40)]
        .prop_filter_map("no header value", |bytes| {
            HeaderValue::from_bytes(&bytes).ok()
        });
    prop::collection::vec((name, value), 0..6)
}

fn map(lines: Vec<(HeaderName, HeaderValue)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name, value);
    }
    headers
}

proptest! {
    /// Headers of clients that are not in the list are ignored.
    #[test]
    fn a_stranger_cannot_be_another(peer in any_ip(), lines in any_lines()) {
        let is_proxy = trusted().iter().any(|network| network.contains(&peer.to_canonical()));
        prop_assume!(!is_proxy);
        let headers = map(lines);
        prop_assert_eq!(client(peer, &headers, &trusted()), peer.to_canonical());
        prop_assert!(!came_by_https(peer, &headers, &trusted()));
    }

    /// Behind a proxy that writes the one header or the other, and lets the rest through, a client
    /// is itself or counts as the proxy, whatever it sends.
    #[test]
    fn a_client_behind_a_proxy_cannot_be_another(
        real in any_ip(),
        lines in any_lines(),
        written in prop_oneof![Just(header::FORWARDED), Just(X_FORWARDED_FOR), Just(X_REAL_IP)],
    ) {
        let is_proxy = |ip: IpAddr| trusted().iter().any(|network| network.contains(&ip));
        let real = real.to_canonical();
        prop_assume!(!is_proxy(real));
        let mut headers = map(lines);
        let value = match (written == header::FORWARDED, real) {
            (true, IpAddr::V4(real)) => format!("for={real}"),
            (true, IpAddr::V6(real)) => format!("for=\"[{real}]\""),
            (false, _) => real.to_string(),
        };
        let value = HeaderValue::from_str(&value).unwrap();
        if written == X_REAL_IP {
            headers.insert(written, value);
        } else {
            headers.append(written, value);
        }
        let peer = "10.0.0.1".parse().unwrap();
        let found = client(peer, &headers, &trusted());
        prop_assert!(found == real || found == peer, "{found} is not {real}");
    }
}
