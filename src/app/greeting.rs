//! Where to look first: what a developer sees when the server starts.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use super::commands::reachable;
use crate::config::{Config, Environment, LogFormat, MailProviderConfig};

/// Prints the addresses of what a server on `port` shows, in development and to people only:
/// whoever reads JSON wants nothing else.
pub(super) fn greet(config: &Config, port: u16) {
    let is_wanted = config.app.environment == Environment::Development
        && config.log.format == LogFormat::Text
        && port != 0;
    if is_wanted {
        // The server runs whether anybody reads this or not.
        let _ = io::stdout().write_all(greeting(config, port).as_bytes());
    }
}

fn greeting(config: &Config, port: u16) -> String {
    let scheme = if config.http.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let host = reachable(config.http.host);
    // As in `APP_URL`, with which mailed links begin: to a browser these are two sites, and whoever
    // signed in at one of them is a stranger at the other.
    let base = if host == Ipv4Addr::LOCALHOST {
        format!("{scheme}://localhost:{port}")
    } else {
        format!("{scheme}://{}", SocketAddr::new(host, port))
    };
    let graphql = if config.http.graphiql {
        "the API; in a browser, GraphiQL"
    } else {
        "the API"
    };
    let pages = [
        (true, "/", "what is running"),
        (true, "/demo", "an app to sign up and log in with"),
        (true, "/graphql", graphql),
        (
            config
                .mail
                .providers
                .iter()
                .any(MailProviderConfig::is_mock),
            "/dev/mailbox",
            "mails that are not really sent",
        ),
        (true, "/readyz", "whether all is well"),
    ];
    let mut text = format!("\n  {} runs for development.\n\n", config.app.name);
    for (_, path, about) in pages.into_iter().filter(|(is_there, ..)| *is_there) {
        let _ = writeln!(text, "    {:<42} {about}", format!("{base}{path}"));
    }
    text.push_str("\n  `gatelodge seed` adds accounts to try it with. Ctrl-C stops it.\n\n");
    text
}
