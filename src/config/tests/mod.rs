mod example;
mod http;
mod mail;
mod production;
mod secrets;

use chrono::Duration;

use super::*;
use crate::domain::code::CodeType;

const KEY: &str = "an-honest-key-of-more-than-32-bytes";

/// Loads with a `JWT_SECRET_KEY` and `variables`.
fn try_load(variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let data = tempfile::tempdir().unwrap();
    let mut map = Variables::from([("JWT_SECRET_KEY".to_owned(), KEY.to_owned())]);
    for (name, value) in variables {
        map.insert((*name).to_owned(), (*value).to_owned());
    }
    load(&map, data.path())
}

fn loaded(variables: &[(&str, &str)]) -> Loaded {
    try_load(variables).unwrap_or_else(|problems| panic!("{variables:?}:\n{problems}"))
}

fn config(variables: &[(&str, &str)]) -> Config {
    loaded(variables).config
}

/// The problems, one a line.
fn problems(variables: &[(&str, &str)]) -> String {
    match try_load(variables) {
        Ok(_) => panic!("accepted: {variables:?}"),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn with_nothing_set_development_works() {
    let data = tempfile::tempdir().unwrap();
    let loaded = load(&Variables::new(), data.path()).unwrap();
    assert_eq!(loaded.warnings, [""; 0]);
    assert_eq!(
        loaded.notes.len(),
        2,
        "the kept key, and the life of codes: {:?}",
        loaded.notes
    );

    let config = loaded.config;
    assert_eq!(config.app.environment, Environment::Development);
    assert_eq!(config.app.url, "http://localhost:8000");
    assert_eq!(config.http.cors_allowed_origins, ["http://localhost:8000"]);
    assert!(config.http.graphiql && config.http.introspection);
    assert!(config.redis.url.is_none());
    assert_eq!(config.codes.lifetime, Duration::minutes(15));
    assert_eq!(config.tokens.issuer, "http://localhost:8000");
    assert_eq!(config.tokens.audience, "Gatelodge");
    assert_eq!(config.tokens.access_lifetime, Duration::days(30));
    assert_eq!(config.tokens.refresh_lifetime, Duration::days(60));
    assert!(matches!(
        config.mail.providers[..],
        [MailProviderConfig::Mock]
    ));
    let sender = config.mail.from_address.as_str();
    assert_eq!(sender, "no-reply@gatelodge.example");
    assert_eq!(config.mail.from_name, "Gatelodge");
    assert!(config.mail.fallback_to_console);
    assert_eq!(config.templates.directory, Some("templates".into()));
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.log.file.unwrap().path, PathBuf::from("logs/app.log"));
    assert!(config.log.security_file.is_none());
}

/// A moved server with an old `APP_URL` is warned about its links.
#[test]
fn another_port_with_the_usual_address_is_noted() {
    let noted = |variables: &[(&str, &str)]| {
        let notes = try_load(variables).unwrap().notes;
        notes.iter().any(|note| note.contains("links in mails"))
    };
    assert!(noted(&[("PORT", "8001")]));
    assert!(!noted(&[]) && !noted(&[("PORT", "0")]) && !noted(&[("PORT", "8000")]));
    assert!(!noted(&[
        ("PORT", "8001"),
        ("APP_URL", "http://localhost:8001")
    ]));
}

/// A directory of templates that was named and is not there is a slip; the usual one may be
/// missing.
#[test]
fn a_named_directory_of_templates_that_is_missing_is_warned_about() {
    let missing = ("TEMPLATE_DIRECTORY", "/nonexistent/templates");
    let warnings = try_load(&[missing]).unwrap().warnings;
    assert!(
        warnings
            .iter()
            .any(|warning| warning.starts_with("TEMPLATE_DIRECTORY is /nonexistent/templates,")),
        "{warnings:?}"
    );
    for fine in [&[][..], &[missing, ("USE_TEMPLATE_FILES", "false")]] {
        assert_eq!(try_load(fine).unwrap().warnings, [""; 0]);
    }
}

#[test]
fn all_problems_are_told_at_once_with_what_would_do() {
    let told = problems(&[
        ("CODE_LENGTH", "9"),
        ("CODE_TYPE", "roman"),
        ("HOST", "everywhere"),
        ("RUN_MIGRATIONS", "maybe"),
        ("SUPPORT_EMAIL", "nobody"),
    ]);
    let mut lines: Vec<_> = told.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            r#"CODE_LENGTH: found "9"; accepted: a whole number from 4 to 8"#,
            r#"CODE_TYPE: found "roman"; accepted: numeric or alphanumeric"#,
            r#"HOST: found "everywhere"; accepted: an IP address"#,
            r#"RUN_MIGRATIONS: found "maybe"; accepted: true or false"#,
            r#"SUPPORT_EMAIL: found "nobody"; accepted: an email address"#,
        ]
    );
}

/// One problem each: no value makes another look wrong.
#[test]
fn values_that_make_no_sense_are_refused() {
    for (name, value) in [
        ("APP_ENV", "prod"),
        ("APP_NAME", "two\nlines"),
        ("APP_URL", "localhost:8000"),
        ("APP_URL", "ftp://example.com"),
        ("APP_URL", "https://user:password@example.com"),
        ("APP_URL", "https://example.com/?a=b"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("CORS_ALLOWED_ORIGINS", "https://*.example.com"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example, b.example"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example/path"),
        ("DATABASE_URL", "mysql://localhost/gatelodge"),
        ("DATABASE_URL", "data/gatelodge.db"),
        ("DATABASE_MAX_CONNECTIONS", "0"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost:6379"),
        ("CODE_LENGTH", "3"),
        ("CODE_EXPIRATION_MINUTES", "0"),
        ("CODE_EXPIRATION_MINUTES", "61"),
        ("MAX_CODE_REQUESTS_PER_HOUR", "0"),
        ("MAX_VERIFICATION_ATTEMPTS", "five"),
        ("JWT_SECRET_KEY", "31-bytes-are-not-quite-enough!!"),
        ("JWT_SECRET_KEY_PREVIOUS", "short"),
        ("JWT_EXPIRATION_MINUTES", "99999999999999999999"),
        ("JWT_EXPIRATION_MINUTES", "9223372036854775807"),
        ("JWT_EXPIRATION_MINUTES", "86400"),
        ("REFRESH_TOKEN_EXPIRATION_MINUTES", "43200"),
        ("REFRESH_TOKEN_EXPIRATION_MINUTES", "long"),
        ("REFRESH_GRACE_SECONDS", "301"),
        ("EMAIL_SERVICE", "pigeon"),
        ("EMAIL_SERVICE", "mock,mock"),
        ("EMAIL_FROM_ADDRESS", "Gatelodge"),
        ("EMAIL_TIMEOUT_SECONDS", "0"),
        ("SMTP_HOST", "mail.example.com:587"),
        ("SMTP_HOST", "smtp://mail.example.com"),
        ("SMTP_PORT", "0"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_MAX_BYTES", "10MB"),
        ("MASK_EMAILS_IN_LOGS", "sometimes"),
    ] {
        let told = problems(&[(name, value)]);
        assert_eq!(told.lines().count(), 1, "{name}={value}: {told}");
    }
}

#[test]
fn values_are_read_kindly() {
    let config = config(&[
        ("APP_URL", "https://Example.com/app/"),
        ("CODE_LENGTH", " 8 "),
        ("CODE_TYPE", "Alphanumeric"),
        ("GRAPHIQL_ENABLED", "no"),
        ("LOG_LEVEL", "warning"),
        ("MASK_IP_IN_LOGS", "hash"),
        ("MASK_EMAILS_IN_LOGS", "TRUE"),
        (
            "CORS_ALLOWED_ORIGINS",
            "https://a.example/, http://b.example:3000",
        ),
        ("USE_TEMPLATE_FILES", "false"),
        ("LOG_TO_FILE", "off"),
    ]);
    assert_eq!(config.app.url, "https://example.com/app");
    assert_eq!(config.codes.length, 8);
    assert_eq!(config.codes.code_type, CodeType::Alphanumeric);
    assert!(!config.http.graphiql);
    assert_eq!(config.log.level, LogLevel::Warning);
    assert_eq!(config.log.mask_ips, Masking::Hash);
    assert_eq!(config.log.mask_emails, Masking::Mask);
    let origins = config.http.cors_allowed_origins;
    assert_eq!(origins, ["https://a.example", "http://b.example:3000"]);
    assert_eq!(config.templates.directory, None);
    assert!(config.log.file.is_none());
}

#[test]
fn an_application_below_a_path_has_an_origin_without_it() {
    let config = config(&[("APP_URL", "https://example.com/app")]);
    assert_eq!(config.http.cors_allowed_origins, ["https://example.com"]);
}

#[test]
fn an_empty_value_counts_as_not_set() {
    let config = config(&[("REDIS_URL", ""), ("CODE_LENGTH", " "), ("GMAIL_USER", "")]);
    assert!(config.redis.url.is_none());
    assert_eq!(config.codes.length, 6);
    assert!(matches!(
        config.mail.providers[..],
        [MailProviderConfig::Mock]
    ));
}

#[test]
fn a_slip_of_the_pen_is_told_with_the_nearest_name() {
    let loaded = loaded(&[
        ("CODE_LENGHT", "8"),
        ("JWT_SECRET_KEYFILE", "/run/secrets/key"),
        ("MAX_CODE_REQUEST_PER_HOUR", "9"),
    ]);
    assert_eq!(
        loaded.warnings,
        [
            "CODE_LENGHT is not a setting; the nearest is CODE_LENGTH",
            "JWT_SECRET_KEYFILE is not a setting; the nearest is JWT_SECRET_KEY_FILE",
            "MAX_CODE_REQUEST_PER_HOUR is not a setting; the nearest is MAX_CODE_REQUESTS_PER_HOUR",
        ]
    );
}

#[test]
fn variables_of_others_are_left_alone() {
    let loaded = loaded(&[
        ("HOSTNAME", "a"),
        ("LOGNAME", "a"),
        ("PORTAL", "a"),
        ("MAX_JOBS", "1"),
        ("USE_CCACHE", "1"),
        ("RUN_MODE", "a"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(loaded.warnings, [""; 0]);
}
