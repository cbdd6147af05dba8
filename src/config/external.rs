//! Where logs are sent besides files and the console.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::reader::Reader;
use super::settings;

/// What `EXTERNAL_LOGGING_CONFIG` must look like.
const ACCEPTED: &str = "a JSON object: \"endpoint\" (an http:// or https:// URL without user, such \
    as http://127.0.0.1:4318, needed), \"headers\" (an object of texts), \"service_name\" (a text), \
    \"traces\" (true or false)";
/// Other services are reached through their agents.
const SERVICES: &str = "otlp; the agents of Datadog, CloudWatch, Grafana and others take OTLP over \
    HTTP at port 4318: name that in EXTERNAL_LOGGING_CONFIG";

/// A collector that takes OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct OtlpConfig {
    /// Where it is, without a slash at its end; `/v1/logs` and `/v1/traces` are added.
    pub endpoint: String,
    /// Sent with each request, such as a key.
    pub headers: BTreeMap<String, SecretString>,
    /// What it knows this installation by.
    pub service_name: String,
    /// Whether it gets traces too.
    pub traces: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Otlp {
    endpoint: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default = "service_name")]
    service_name: String,
    #[serde(default = "yes")]
    traces: bool,
}

fn service_name() -> String {
    "gatelodge".to_owned()
}

fn yes() -> bool {
    true
}

/// Reads the settings; what is switched off is read too, and may be left unset.
pub(super) fn read(r: &mut Reader) -> Option<OtlpConfig> {
    let is_on = r.flag(settings::EXTERNAL_LOGGING_ENABLED);
    // Where nothing is sent, nothing need be right.
    let is_fine = |text: &str| (!is_on || text.trim().eq_ignore_ascii_case("otlp")).then_some(());
    r.read(settings::EXTERNAL_LOGGING_SERVICE, SERVICES, is_fine);
    let read = |text: &str| match parse(text) {
        Some(config) => Some(Some(config)),
        None => (!is_on).then_some(None),
    };
    if is_on {
        r.require(settings::EXTERNAL_LOGGING_CONFIG, ACCEPTED);
    }
    let config = r.read(settings::EXTERNAL_LOGGING_CONFIG, ACCEPTED, read);
    config.flatten().filter(|_| is_on)
}

fn parse(text: &str) -> Option<OtlpConfig> {
    let otlp: Otlp = serde_json::from_str(text).ok()?;
    let endpoint = Url::parse(&otlp.endpoint).ok()?;
    // A key belongs into a header: errors name the endpoint.
    let is_plain = endpoint.query().is_none()
        && endpoint.fragment().is_none()
        && endpoint.username().is_empty()
        && endpoint.password().is_none();
    let is_web = ["http", "https"].contains(&endpoint.scheme());
    let headers = otlp.headers;
    let are_headers = headers.iter().all(|(name, value)| {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !name.is_empty() && name.chars().all(is_token) && !value.contains(char::is_control)
    });
    (is_plain && is_web && are_headers).then(|| OtlpConfig {
        endpoint: endpoint.as_str().trim_end_matches('/').to_owned(),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name, SecretString::from(value)))
            .collect(),
        service_name: otlp.service_name,
        traces: otlp.traces,
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn only_the_endpoint_is_needed() {
        let least = parse(r#"{"endpoint": "http://127.0.0.1:4318/"}"#).unwrap();
        assert_eq!(least.endpoint, "http://127.0.0.1:4318");
        assert_eq!((&*least.service_name, least.traces), ("gatelodge", true));
        let all = r#"{"endpoint": "https://otlp.example.com/otlp", "headers": {"api-key": "canary"},
            "service_name": "accounts", "traces": false}"#;
        let all = parse(all).unwrap();
        assert_eq!(all.endpoint, "https://otlp.example.com/otlp");
        assert_eq!(all.headers["api-key"].expose_secret(), "canary");
        assert!(!all.traces && !format!("{all:?}").contains("canary"));
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for text in [
            "{}",
            "otlp",
            r#"{"endpoint": "127.0.0.1:4318"}"#,
            r#"{"endpoint": "ftp://example.com"}"#,
            r#"{"endpoint": "http://example.com?key=1"}"#,
            r#"{"endpoint": "http://user@example.com"}"#,
            r#"{"endpoint": "http://:canary@example.com"}"#,
            r#"{"endpoint": "http://example.com", "header": {}}"#,
            r#"{"endpoint": "http://example.com", "headers": {"a b": "c"}}"#,
            r#"{"endpoint": "http://example.com", "headers": {"a": "b\nc"}}"#,
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
