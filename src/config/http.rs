//! Where requests are listened for, and what keeps a listener from being held, fooled or overheard.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use super::load::{comma_list, flag, web_url};
use super::reader::Reader;
use super::settings::{self, Setting};
use super::{AppConfig, Environment};

/// The listener.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// `HOST`.
    pub host: IpAddr,
    /// `PORT`; 0 takes a free one.
    pub port: u16,
    /// `CORS_ALLOWED_ORIGINS`.
    pub cors_allowed_origins: Vec<String>,
    /// `GRAPHIQL_ENABLED`.
    pub graphiql: bool,
    /// `INTROSPECTION_ENABLED`.
    pub introspection: bool,
    /// `TRUSTED_PROXIES`: from these peers forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `TLS_CERT_FILE` and `TLS_KEY_FILE`.
    pub tls: Option<TlsConfig>,
    /// What a connection may cost.
    pub connections: ConnectionsConfig,
}

/// The files that HTTPS is served with, both PEM.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// `TLS_CERT_FILE`: the certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    /// `TLS_KEY_FILE`.
    pub key: PathBuf,
}

/// What a connection may cost.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionsConfig {
    /// `MAX_CONNECTIONS`: open at once.
    pub max: u32,
    /// `MAX_BODY_BYTES`: the longest body of a request.
    pub max_body_bytes: usize,
    /// `HEADER_TIMEOUT_SECONDS`: from a new connection to its first whole head.
    pub header_timeout: Duration,
    /// `REQUEST_TIMEOUT_SECONDS`: for a body to arrive; twice that for a request as a whole.
    pub request_timeout: Duration,
    /// `IDLE_TIMEOUT_SECONDS`: without a request.
    pub idle_timeout: Duration,
}

pub(super) fn read(r: &mut Reader, app: &AppConfig) -> HttpConfig {
    let development = app.environment == Environment::Development;
    let own_origin = match Url::parse(&app.url) {
        Ok(url) if development => url.origin().ascii_serialization(),
        _ => String::new(),
    };
    let host = r
        .read(settings::HOST, "an IP address", |text| {
            text.trim().parse().ok()
        })
        .unwrap_or(Ipv4Addr::LOCALHOST.into());
    let port = r.integer(settings::PORT, 0..=u16::MAX);
    if ![0, 8000].contains(&port) && !r.is_set(settings::APP_URL) {
        r.notes.push(format!(
            "PORT is {port} and APP_URL is not set: links in mails lead to {}",
            app.url
        ));
    }
    HttpConfig {
        host,
        port,
        cors_allowed_origins: r
            .read(
                settings::CORS_ALLOWED_ORIGINS.or(&own_origin),
                "a comma list of origins such as https://app.example.com, without paths or wildcards",
                |text| comma_list(text).map(origin).collect(),
            )
            .unwrap_or_default(),
        graphiql: r.flag(settings::GRAPHIQL_ENABLED.or(flag(development))),
        introspection: r.flag(settings::INTROSPECTION_ENABLED.or(flag(development))),
        trusted_proxies: trusted_proxies(r),
        tls: tls(r),
        connections: connections(r),
    }
}

pub(super) fn metrics(r: &mut Reader) -> Option<SocketAddr> {
    let host = r.read(settings::METRICS_HOST, "an IP address", |text| {
        text.trim().parse().ok()
    });
    let port = r.read(
        settings::METRICS_PORT,
        "a whole number from 0 to 65535, or nothing",
        |text| text.trim().parse().ok(),
    )?;
    Some(SocketAddr::new(
        host.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        port,
    ))
}

fn origin(text: &str) -> Option<String> {
    let url = web_url(text)?;
    let origin = Url::parse(&url).ok()?.origin().ascii_serialization();
    let has_wildcard = origin.contains('*');
    (!has_wildcard && url == origin).then_some(origin)
}

fn connections(r: &mut Reader) -> ConnectionsConfig {
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

fn trusted_proxies(r: &mut Reader) -> Vec<IpNet> {
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
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical()),
    };
    (network.prefix_len() > 0).then_some(network)
}

fn tls(r: &mut Reader) -> Option<TlsConfig> {
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
