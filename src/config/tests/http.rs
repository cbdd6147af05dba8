use super::*;

/// Addresses and networks may be mixed, and are meant as they are usually written.
#[test]
fn proxies_are_addresses_and_networks() {
    let trusted = |list: &str| {
        let networks = config(&[("TRUSTED_PROXIES", list)]).http.trusted_proxies;
        networks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(trusted(""), [""; 0]);
    assert_eq!(
        trusted("10.0.0.5, 10.1.2.3/16,fd00::/8 , ::1,::ffff:192.0.2.1"),
        [
            "10.0.0.5/32",
            "10.1.0.0/16",
            "fd00::/8",
            "::1/128",
            "192.0.2.1/32"
        ]
    );
}

/// Trusting every proxy lets every client choose its IP address.
#[test]
fn proxies_that_are_everybody_are_refused() {
    for list in [
        "0.0.0.0/0",
        "10.0.0.1, ::/0",
        "*",
        "10.0.0.0/33",
        "proxy.example.com",
    ] {
        let told = problems(&[("TRUSTED_PROXIES", list)]);
        assert!(told.starts_with("TRUSTED_PROXIES: found"), "{told}");
    }
}

/// One file of the pair is of no use without the other, and serving without TLS instead would be
/// worse than not to start.
#[test]
fn a_certificate_comes_with_its_key() {
    assert!(config(&[]).http.tls.is_none());
    let both = [("TLS_CERT_FILE", "a.crt"), ("TLS_KEY_FILE", "a.key")];
    let tls = config(&both).http.tls.unwrap();
    assert_eq!((tls.certificate, tls.key), ("a.crt".into(), "a.key".into()));
    for (given, missing) in [(0, "TLS_KEY_FILE"), (1, "TLS_CERT_FILE")] {
        let told = problems(&both[given..=given]);
        assert!(
            told.starts_with(&format!("{missing}: found nothing")),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1);
    }
}

/// Nothing is waited for without end, and nothing is without bounds.
#[test]
fn connections_have_bounds() {
    let connections = config(&[]).http.connections;
    assert_eq!(connections.max, 10_000);
    assert_eq!(connections.max_body_bytes, 256 * 1024);
    assert_eq!(connections.header_timeout.as_secs(), 10);
    assert_eq!(connections.request_timeout.as_secs(), 30);
    assert_eq!(connections.idle_timeout.as_secs(), 75);
    for (name, value) in [
        ("MAX_CONNECTIONS", "0"),
        ("MAX_BODY_BYTES", "1023"),
        ("MAX_BODY_BYTES", "256K"),
        ("HEADER_TIMEOUT_SECONDS", "0"),
        ("REQUEST_TIMEOUT_SECONDS", "0"),
        ("REQUEST_TIMEOUT_SECONDS", "30s"),
        ("IDLE_TIMEOUT_SECONDS", "3601"),
    ] {
        let told = problems(&[(name, value)]);
        assert_eq!(told.lines().count(), 1, "{name}={value}: {told}");
    }
}
