//! The URLs that a developer sees when the server starts.

use std::net::{Ipv4Addr, SocketAddr};

use super::{local_address, table};
use crate::config::{Config, Environment, LogFormat, MailProviderConfig};

/// Prints the banner in development, unless the logs are JSON: other programs read those.
pub(super) fn print(config: &Config, port: u16) {
    let is_wanted = config.app.environment == Environment::Development
        && config.log.format == LogFormat::Text
        && port != 0;
    if is_wanted {
        // The server also runs if standard output is closed.
        let _ = super::print(banner(config, port));
    }
}

fn banner(config: &Config, port: u16) -> String {
    let scheme = if config.http.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let host = local_address(config.http.host);
    // The same host as in APP_URL, since a session at localhost is not one at 127.0.0.1.
    let authority = if host == Ipv4Addr::LOCALHOST {
        format!("localhost:{port}")
    } else {
        SocketAddr::new(host, port).to_string()
    };
    let graphql = if config.http.graphiql {
        "the API; in a browser, GraphiQL"
    } else {
        "the API"
    };
    let mut pages = vec![
        ("/", "what is running"),
        ("/demo", "a demo app to sign up and sign in with"),
        ("/graphql", graphql),
        ("/readyz", "whether everything works"),
    ];
    let providers = &config.mail.providers;
    if providers.iter().any(MailProviderConfig::is_mock) {
        pages.insert(3, ("/dev/mailbox", "mails that are not really sent"));
    }
    let rows: Vec<_> = pages
        .into_iter()
        .map(|(path, about)| {
            let url = format!("    {scheme}://{authority}{path}");
            [url, about.to_owned()]
        })
        .collect();
    format!(
        "\n  {} runs for development.\n\n{}\n\n  \
         `gatelodge seed` adds accounts to try. Press Ctrl-C to stop.\n",
        config.app.name,
        table(&rows)
    )
}
