//! What is logged, and where.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use strum::{EnumString, VariantNames};

use super::reader::Reader;
use super::settings::{ExternalLogSettings, LogConfig, LogFileSettings};

const OTLP_ACCEPTED: &str = "a JSON object: \"endpoint\" (required; an http:// or https:// URL without \
    user, query or fragment, such as http://127.0.0.1:4318), \"headers\" (an object of strings), \
    \"service_name\" (a string), \"traces\" (true or false)";

/// A log file that is rotated by size.
#[derive(Clone, Debug)]
pub struct LogFileConfig {
    pub path: PathBuf,
    /// It is rotated before it grows larger.
    pub max_bytes: usize,
    /// The number of rotated files to keep.
    pub backups: usize,
    /// How long rotated files are kept at most.
    pub retention: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default, EnumString, PartialEq, Eq, VariantNames)]
#[strum(serialize_all = "UPPERCASE", ascii_case_insensitive)]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Warning,
    Error,
    Critical,
}

#[derive(Clone, Copy, Debug, Default, EnumString, PartialEq, Eq, VariantNames)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum LogFormat {
    /// One bunyan object per line.
    Json,
    #[default]
    Text,
}

/// How personal data appears in logs.
#[derive(Clone, Copy, Debug, Default, EnumString, PartialEq, Eq, VariantNames)]
#[strum(ascii_case_insensitive)]
pub enum Masking {
    #[default]
    #[strum(serialize = "false")]
    Off,
    /// Partly hidden.
    #[strum(serialize = "true")]
    Mask,
    /// As a keyed hash, the same for the same value.
    #[strum(serialize = "hash")]
    Hash,
}

/// A collector that accepts OTLP over HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtlpConfig {
    /// Without a slash at the end; `/v1/logs` and `/v1/traces` are appended.
    pub endpoint: String,
    /// Sent with each request, for example an API key.
    #[serde(default, deserialize_with = "secrets")]
    pub headers: BTreeMap<String, SecretString>,
    #[serde(default = "service_name")]
    pub service_name: String,
    /// Whether traces are sent too.
    #[serde(default = "yes")]
    pub traces: bool,
}

fn secrets<'de, D: Deserializer<'de>>(
    headers: D,
) -> Result<BTreeMap<String, SecretString>, D::Error> {
    let headers = BTreeMap::<String, String>::deserialize(headers)?;
    let headers = headers.into_iter();
    Ok(headers.map(|(name, value)| (name, value.into())).collect())
}

fn service_name() -> String {
    "gatelodge".to_owned()
}

fn yes() -> bool {
    true
}

pub(super) fn read(r: &mut Reader) -> LogConfig {
    let files = LogFileSettings::read(r);
    let file = |is_enabled: bool, path| {
        is_enabled.then_some(LogFileConfig {
            path,
            max_bytes: files.max_bytes,
            backups: files.backups,
            retention: files.retention,
        })
    };
    let security_file = file(files.is_security_enabled, files.security_path);
    let file = file(files.is_enabled, files.path);
    let external = external(r);
    LogConfig::read(r, file, security_file, external)
}

/// The collector. While it is switched off, its other settings may hold anything.
fn external(r: &mut Reader) -> Option<OtlpConfig> {
    let settings = ExternalLogSettings::read(r);
    if !settings.is_enabled {
        return None;
    }
    if !settings.service.eq_ignore_ascii_case("otlp") {
        let accepted = "otlp; the agents of Datadog, CloudWatch, Grafana and others accept OTLP \
                        over HTTP at port 4318: set EXTERNAL_LOGGING_CONFIG to that";
        let found = format!("{:?}", settings.service);
        r.refuse("EXTERNAL_LOGGING_SERVICE", found, accepted);
    }
    r.require("EXTERNAL_LOGGING_CONFIG", OTLP_ACCEPTED);
    let config = settings.config?;
    let otlp = parse_otlp(config.expose_secret());
    if otlp.is_none() {
        let found = format!("{} bytes that are not shown", config.expose_secret().len());
        r.refuse("EXTERNAL_LOGGING_CONFIG", found, OTLP_ACCEPTED);
    }
    otlp
}

fn parse_otlp(text: &str) -> Option<OtlpConfig> {
    let config: OtlpConfig = serde_json::from_str(text).ok()?;
    // Errors show the endpoint, so secrets belong into headers.
    let endpoint = super::urls::web_url(&config.endpoint)?;
    let is_header = |(name, value): (&String, &SecretString)| {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let value = value.expose_secret();
        !name.is_empty() && name.chars().all(is_token) && !value.contains(char::is_control)
    };
    let has_valid_headers = config.headers.iter().all(is_header);
    has_valid_headers.then_some(OtlpConfig { endpoint, ..config })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_endpoint_is_required() {
        let least = parse_otlp(r#"{"endpoint": "http://127.0.0.1:4318/"}"#).unwrap();
        assert_eq!(least.endpoint, "http://127.0.0.1:4318");
        assert_eq!((&*least.service_name, least.traces), ("gatelodge", true));
        let all = r#"{"endpoint": "https://otlp.example.com/otlp", "headers": {"api-key": "canary"},
            "service_name": "accounts", "traces": false}"#;
        let all = parse_otlp(all).unwrap();
        assert_eq!(all.endpoint, "https://otlp.example.com/otlp");
        assert_eq!(all.headers["api-key"].expose_secret(), "canary");
        assert!(!all.traces && !format!("{all:?}").contains("canary"));
    }

    #[test]
    fn unusable_configurations_are_refused() {
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
            assert!(parse_otlp(text).is_none(), "{text}");
        }
    }
}
