//! Warnings and notes about the settings, and values that do not fit `APP_ENV`.

use url::{Host, Url};

use super::Finding;
use crate::config::{Config, Environment, Loaded};

const CHECK: &str = "settings";

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let mode = match config.app.environment {
        Environment::Development => "development",
        Environment::Production => "production",
    };
    let mut findings = vec![Finding::ok(
        CHECK,
        format!("all are valid; APP_ENV is {mode}"),
    )];
    let warning = |text: &String| {
        let (found, advice) = text.split_once(": ").unwrap_or((text, ""));
        Finding::ok(CHECK, found).warning(capitalized(advice))
    };
    findings.extend(loaded.warnings.iter().map(warning));
    findings.extend(loaded.notes.iter().map(|note| Finding::ok(CHECK, note)));
    match config.app.environment {
        Environment::Development => findings.extend(development(config)),
        Environment::Production => findings.extend(production(config)),
    }
    findings
}

fn development(config: &Config) -> Option<Finding> {
    let host = config.http.host;
    (!host.is_loopback()).then(|| {
        let found = format!("HOST is {host}: others can reach this development server");
        Finding::ok(CHECK, found).warning(
            "Set APP_ENV=production, or HOST=127.0.0.1: in development the mailbox page shows \
             valid codes to anybody.",
        )
    })
}

fn production(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_local(&config.app.url) {
        let found = format!("APP_URL is {}: links in mails do not work", config.app.url);
        let advice = "Set it to the URL that users see in their browser.";
        findings.push(Finding::ok(CHECK, found).failed(advice));
    }
    for origin in &config.http.cors_allowed_origins {
        if is_local(origin) || origin.starts_with("http://") {
            let found = format!("CORS_ALLOWED_ORIGINS has {origin}");
            findings.push(Finding::ok(CHECK, found).warning(
                "Remove it: its pages come from a developer's machine, or can be changed in transit.",
            ));
        }
    }
    for (is_on, name) in [
        (config.http.graphiql, "GRAPHIQL_ENABLED"),
        (config.http.introspection, "INTROSPECTION_ENABLED"),
    ] {
        if is_on {
            let found = format!("{name} is true: anybody can read the schema");
            findings.push(Finding::ok(CHECK, found));
        }
    }
    findings
}

/// Whether a URL refers to the local machine.
fn is_local(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
        None => false,
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().collect::<String>() + chars.as_str() + ".",
        None => "`gatelodge config check` shows every setting.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_urls_are_recognised() {
        for url in [
            "https://localhost",
            "http://app.localhost:8000",
            "https://127.0.0.2:1",
            "http://[::1]",
            "http://0.0.0.0:8000",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "https://app.example.com",
            "https://192.0.2.1",
            "https://localhost.example",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }
}
