//! The settings of the listener that keep it from being held, fooled or overheard.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::load::comma_list;
use super::reader::Reader;
use super::settings::{self, Setting};
use super::{ConnectionsConfig, TlsConfig};

pub(super) fn connections(r: &mut Reader) -> ConnectionsConfig {
    ConnectionsConfig {
        max: r.integer(settings::MAX_CONNECTIONS, 1..=1_000_000),
        max_body_bytes: r.integer(settings::MAX_BODY_BYTES, 1024..=16 * 1024 * 1024),
        header_timeout: seconds(r, settings::HEADER_TIMEOUT_SECONDS),
        request_timeout: seconds(r, settings::REQUEST_TIMEOUT_SECONDS),
        idle_timeout: seconds(r, settings::IDLE_TIMEOUT_SECONDS),
    }
}

fn seconds(r: &mut Reader, setting: Setting) -> Duration {
    Duration::from_secs(r.integer(setting, 1..=3600))
}

pub(super) fn trusted_proxies(r: &mut Reader) -> Vec<IpNet> {
    let accepted = "a comma list of addresses and networks such as 10.0.0.5, 10.1.0.0/16, fd00::/8";
    r.read(settings::TRUSTED_PROXIES, accepted, |text| {
        comma_list(text).map(network).collect()
    })
    .unwrap_or_default()
}

/// A network, or an address as a network of one. One that holds every address is refused: it
/// would let any client say that it is another.
fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network.trunc(),
        Err(_) => IpNet::from(text.parse::<std::net::IpAddr>().ok()?.to_canonical()),
    };
    (network.prefix_len() > 0).then_some(network)
}

pub(super) fn tls(r: &mut Reader) -> Option<TlsConfig> {
    let mut path = |setting| r.line(setting).map(PathBuf::from);
    let certificate = path(settings::TLS_CERT_FILE);
    let key = path(settings::TLS_KEY_FILE);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsConfig { certificate, key }),
        (Some(_), None) => {
            r.require(
                settings::TLS_KEY_FILE,
                "the key of TLS_CERT_FILE, or neither",
            );
            None
        }
        (None, Some(_)) => {
            r.require(
                settings::TLS_CERT_FILE,
                "the certificate of TLS_KEY_FILE, or neither",
            );
            None
        }
        (None, None) => None,
    }
}
