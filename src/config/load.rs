//! Turns variables into a [`Config`], section by section.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use chrono::Duration;
use secrecy::SecretString;
use url::Url;

use super::reader::{Problem, Problems, Reader};
use super::settings;
use super::{
    AppConfig, CodesConfig, Config, DatabaseConfig, Environment, LimitsConfig, Loaded,
    PasswordsConfig, TemplateOverride, TemplatesConfig, TokensConfig, Variables, dotenv, graphql,
    http, log, mail, production, secret_key, unknown,
};
use crate::domain::code::{CodeFormat, CodeType};
use crate::domain::password::PasswordRule;

/// Ten years: longer than anybody means.
const MAX_MINUTES: u32 = 10 * 366 * 24 * 60;

/// How often something may be done is a number of these.
const LIMIT: RangeInclusive<u32> = 1..=1_000_000;

/// From how many on something is suspicious; 0 is never.
const THRESHOLD: RangeInclusive<u32> = 0..=1_000_000;

/// What a private key must look like.
const PRIVATE_KEY: &str = "a private key in PEM (PKCS #8): -----BEGIN PRIVATE KEY-----";

/// What stands in for a refused URL: one that no later check finds fault with.
const URL_STAND_IN: &str = "https://localhost";

impl Config {
    /// Reads the environment of this process and, for what it does not set, the file `.env` in the
    /// working directory.
    pub fn from_process_env() -> Result<Loaded, Problems> {
        let (mut variables, mut problems) = read_dotenv(Path::new(".env"));
        add_real(&mut variables, &mut problems, env::vars_os());
        load_after(&variables, Path::new("data"), problems)
    }
}

/// Real variables win over those that are there already. Of those that are no text only ours matter.
fn add_real(
    variables: &mut Variables,
    problems: &mut Vec<Problem>,
    real: impl Iterator<Item = (OsString, OsString)>,
) {
    for (name, value) in real {
        let Ok(name) = name.into_string() else {
            continue;
        };
        match value.into_string() {
            Ok(value) => {
                variables.insert(name, value);
            }
            Err(_) if settings::variable_names().any(|known| known == name) => {
                problems.push(Problem::new(&name, "bytes that are no text", "UTF-8"));
            }
            Err(_) => {}
        }
    }
}

fn read_dotenv(path: &Path) -> (Variables, Vec<Problem>) {
    match fs::read_to_string(path) {
        Ok(text) => dotenv::parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Variables::new(), Vec::new()),
        Err(error) => {
            let found = format!("a file that cannot be read ({error})");
            let problem = Problem::new(".env", found, "a readable text file, or none");
            (Variables::new(), vec![problem])
        }
    }
}

/// Reads all settings from `variables`. In development a missing `JWT_SECRET_KEY` is made once and
/// kept in `data_directory`, which is made too.
pub fn load(variables: &Variables, data_directory: &Path) -> Result<Loaded, Problems> {
    load_after(variables, data_directory, Vec::new())
}

fn load_after(
    variables: &Variables,
    data_directory: &Path,
    problems: Vec<Problem>,
) -> Result<Loaded, Problems> {
    let mut r = Reader::new(variables, problems);
    let app = app(&mut r);
    let config = Config {
        http: http::read(&mut r, &app),
        metrics: http::metrics(&mut r),
        graphql: graphql::read(&mut r),
        database: database(&mut r),
        redis_url: redis_url(&mut r),
        codes: codes(&mut r),
        limits: limits(&mut r),
        passwords: passwords(&mut r),
        invitation_lifetime: Duration::hours(
            r.integer(settings::INVITATION_EXPIRATION_HOURS, 1..=8760),
        ),
        data_retention: Duration::days(r.integer(settings::DATA_RETENTION_DAYS, 1..=3650)),
        tokens: tokens(&mut r, &app, data_directory),
        mail: mail::read(&mut r, &app),
        templates: templates(&mut r),
        log: log::read(&mut r, app.environment),
        app,
    };
    if config.app.environment == Environment::Production {
        production::check(&mut r, &config);
    }
    unknown::warn(&mut r);
    r.finish(config)
}

fn app(r: &mut Reader) -> AppConfig {
    AppConfig {
        environment: r.choice(
            settings::APP_ENV,
            [
                ("development", Environment::Development),
                ("production", Environment::Production),
            ],
        ),
        name: r.line(settings::APP_NAME).unwrap_or_default(),
        url: r
            .read(
                settings::APP_URL,
                "an http:// or https:// URL without user, query or fragment",
                web_url,
            )
            .unwrap_or_else(|| URL_STAND_IN.to_owned()),
        support_email: r.email(settings::SUPPORT_EMAIL),
    }
}

pub(super) fn web_url(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let valid = ["http", "https"].contains(&url.scheme())
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    valid.then(|| url.as_str().trim_end_matches('/').to_owned())
}

fn database(r: &mut Reader) -> DatabaseConfig {
    let accepted = "a URL that begins with sqlite:, postgres: or postgresql:";
    let is_valid = |text: &str| match text.split_once(':') {
        Some(("sqlite", rest)) => !rest.is_empty(),
        Some(("postgres" | "postgresql", _)) => Url::parse(text).is_ok(),
        _ => false,
    };
    DatabaseConfig {
        url: r
            .secret(settings::DATABASE_URL, accepted, is_valid)
            .unwrap_or_default(),
        max_connections: r.integer(settings::DATABASE_MAX_CONNECTIONS, 1..=1000),
        run_migrations: r.flag(settings::RUN_MIGRATIONS),
    }
}

fn redis_url(r: &mut Reader) -> Option<SecretString> {
    let is_valid = |text: &str| {
        Url::parse(text)
            .is_ok_and(|url| ["redis", "rediss"].contains(&url.scheme()) && url.has_host())
    };
    r.secret(
        settings::REDIS_URL,
        "a URL such as redis://host:6379 or rediss://host",
        is_valid,
    )
}

fn codes(r: &mut Reader) -> CodesConfig {
    let length = r.integer(settings::CODE_LENGTH, 4..=8);
    let code_type = r.choice(
        settings::CODE_TYPE,
        [
            ("numeric", CodeType::Numeric),
            ("alphanumeric", CodeType::Alphanumeric),
        ],
    );
    let minutes = r.integer(settings::CODE_EXPIRATION_MINUTES, 1..=60);
    if minutes > 10 {
        r.notes.push(format!(
            "CODE_EXPIRATION_MINUTES is {minutes}; 10 or less gives guessing and stolen mail less time"
        ));
    }
    CodesConfig {
        format: CodeFormat { length, code_type },
        lifetime: Duration::minutes(minutes),
        max_attempts: r.integer(settings::MAX_VERIFICATION_ATTEMPTS, 1..=100),
        existence_hints: r.flag(settings::ACCOUNT_EXISTENCE_HINTS),
    }
}

fn limits(r: &mut Reader) -> LimitsConfig {
    LimitsConfig {
        code_requests_per_hour: r.integer(settings::MAX_CODE_REQUESTS_PER_HOUR, LIMIT),
        code_requests_per_hour_per_ip: r
            .integer(settings::MAX_CODE_REQUESTS_PER_HOUR_PER_IP, LIMIT),
        verifications_per_15_minutes_per_ip: r
            .integer(settings::MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP, LIMIT),
        login_attempts_per_15_minutes: r
            .integer(settings::MAX_LOGIN_ATTEMPTS_PER_15_MINUTES, LIMIT),
        login_attempts_per_15_minutes_per_ip: r
            .integer(settings::MAX_LOGIN_ATTEMPTS_PER_15_MINUTES_PER_IP, LIMIT),
        registrations_per_hour_per_ip: r
            .integer(settings::MAX_REGISTRATIONS_PER_HOUR_PER_IP, LIMIT),
        password_resets_per_hour: r.integer(settings::MAX_PASSWORD_RESETS_PER_HOUR, LIMIT),
        invitations_per_hour_per_team: r
            .integer(settings::MAX_INVITATIONS_PER_HOUR_PER_TEAM, LIMIT),
        suspicious_failures_per_address: r
            .integer(settings::SUSPICIOUS_FAILURES_PER_ADDRESS, THRESHOLD),
        suspicious_failures_per_ip: r.integer(settings::SUSPICIOUS_FAILURES_PER_IP, THRESHOLD),
        suspicious_addresses_per_ip: r.integer(settings::SUSPICIOUS_ADDRESSES_PER_IP, THRESHOLD),
        suspicious_dead_codes: r.integer(settings::SUSPICIOUS_DEAD_CODES, THRESHOLD),
    }
}

fn passwords(r: &mut Reader) -> PasswordsConfig {
    let min_chars: u32 = r.integer(settings::PASSWORD_MIN_LENGTH, 8..=128);
    let reset: u32 = r.integer(settings::PASSWORD_RESET_EXPIRATION_MINUTES, 5..=1440);
    PasswordsConfig {
        rule: PasswordRule {
            min_chars: min_chars as usize,
        },
        bcrypt_cost: r.integer(settings::BCRYPT_COST, 4..=16),
        reset_lifetime: Duration::minutes(reset.into()),
    }
}

fn tokens(r: &mut Reader, app: &AppConfig, data_directory: &Path) -> TokensConfig {
    let private_key = r.secret(settings::JWT_PRIVATE_KEY, PRIVATE_KEY, is_private_key);
    let private_key_previous = r.secret(
        settings::JWT_PRIVATE_KEY_PREVIOUS,
        PRIVATE_KEY,
        is_private_key,
    );
    let (secret_key, secret_key_previous) = secret_key::read(
        r,
        app.environment,
        data_directory,
        private_key.as_ref(),
        private_key_previous.as_ref(),
    );
    let issuer = r
        .line(settings::JWT_ISSUER.or(&app.url))
        .unwrap_or_default();
    let audience = r
        .line(settings::JWT_AUDIENCE.or(&app.name))
        .unwrap_or_default();
    let access = r.integer(settings::JWT_EXPIRATION_MINUTES, 1..=MAX_MINUTES - 1);
    let refresh = r
        .read(
            settings::REFRESH_TOKEN_EXPIRATION_MINUTES,
            &format!("more than JWT_EXPIRATION_MINUTES ({access}), up to {MAX_MINUTES}"),
            |text| {
                text.trim()
                    .parse()
                    .ok()
                    .filter(|n| (access + 1..=MAX_MINUTES).contains(n))
            },
        )
        .unwrap_or(MAX_MINUTES);
    TokensConfig {
        secret_key,
        secret_key_previous,
        private_key,
        private_key_previous,
        issuer,
        audience,
        access_lifetime: Duration::minutes(access.into()),
        refresh_lifetime: Duration::minutes(refresh.into()),
        refresh_grace: Duration::seconds(r.integer(settings::REFRESH_GRACE_SECONDS, 0..=300)),
    }
}

fn is_private_key(text: &str) -> bool {
    text.contains("-----BEGIN PRIVATE KEY-----")
}

fn templates(r: &mut Reader) -> TemplatesConfig {
    let use_files = r.flag(settings::USE_TEMPLATE_FILES);
    let directory = r.line(settings::TEMPLATE_DIRECTORY).map(PathBuf::from);
    let directory = directory.filter(|_| use_files);
    if let Some(missing) = directory.as_deref().filter(|path| !path.is_dir())
        && r.is_set(settings::TEMPLATE_DIRECTORY)
    {
        r.warnings.push(format!(
            "TEMPLATE_DIRECTORY is {}, which is no directory: mails look as they do without files",
            missing.display()
        ));
    }
    TemplatesConfig {
        directory,
        signup: TemplateOverride {
            subject: r.line(settings::SIGNUP_EMAIL_SUBJECT),
            body: r.text(settings::SIGNUP_EMAIL_TEMPLATE),
        },
        login: TemplateOverride {
            subject: r.line(settings::LOGIN_EMAIL_SUBJECT),
            body: r.text(settings::LOGIN_EMAIL_TEMPLATE),
        },
    }
}

/// The items of a comma list, blanks left out.
pub(super) fn comma_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// A default that depends on others, as the text of a flag.
pub(super) fn flag(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_variables_win_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        fs::write(&path, "PORT=1\nHOST=::1\n").unwrap();
        let (mut variables, mut problems) = read_dotenv(&path);
        let real = [("PORT".into(), "2".into())];
        add_real(&mut variables, &mut problems, real.into_iter());
        assert_eq!(problems, []);
        assert_eq!((&*variables["PORT"], &*variables["HOST"]), ("2", "::1"));
    }

    #[test]
    fn the_file_may_be_missing_but_not_unreadable() {
        let directory = tempfile::tempdir().unwrap();
        let (variables, problems) = read_dotenv(&directory.path().join(".env"));
        assert!(variables.is_empty() && problems.is_empty());
        let (_, problems) = read_dotenv(directory.path());
        assert_eq!(problems.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_setting_that_is_no_text_is_not_passed_over() {
        let bytes: OsString = std::os::unix::ffi::OsStringExt::from_vec(vec![0xFF]);
        let real = ["JWT_SECRET_KEY", "OTHER"].map(|name| (name.into(), bytes.clone()));
        let mut problems = Vec::new();
        add_real(&mut Variables::new(), &mut problems, real.into_iter());
        let names: Vec<_> = problems.iter().map(|problem| &*problem.name).collect();
        assert_eq!(names, ["JWT_SECRET_KEY"]);
    }
}
