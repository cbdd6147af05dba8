//! Every setting, read once at start from the environment.
//!
//! `settings` is the table of what exists, with explanations and defaults; `load` turns what is
//! set into a [`Config`]. A new setting is a line in the table, a field here or in its section's file, and a line where that is read.

mod dotenv;
mod external;
mod graphql;
mod http;
mod load;
mod log;
mod mail;
mod private_files;
mod production;
mod reader;
mod secret_key;
mod settings;
#[cfg(test)]
mod tests;
mod unknown;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chrono::Duration;
use secrecy::{ExposeSecret, SecretString};

use crate::domain::code::CodeFormat;
use crate::domain::email::EmailAddress;
use crate::domain::password::PasswordRule;

pub use external::OtlpConfig;
pub use graphql::{DocumentLimits, GraphqlConfig};
pub use http::{ConnectionsConfig, HttpConfig, TlsConfig};
pub use load::load;
pub use log::{LogConfig, LogFileConfig, LogFormat, LogLevel, Masking};
pub use private_files::make_private_folder;
pub use reader::{EffectiveSetting, Problems};
pub use settings::{configuration_markdown, env_example};

/// Environment variables by name.
pub type Variables = BTreeMap<String, String>;

/// Settings that can be started with.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What is probably not meant, or not safe. Holds no secrets.
    pub warnings: Vec<String>,
    /// What is good to know and needs no change. Holds no secrets.
    pub notes: Vec<String>,
    /// Files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
    /// Each setting as it holds, secrets hidden.
    pub effective: Vec<EffectiveSetting>,
}

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `APP_*`: what the installation calls itself.
    pub app: AppConfig,
    /// The listener, and who may talk to it.
    pub http: HttpConfig,
    /// `METRICS_HOST`, `METRICS_PORT`: where figures are served, if they are.
    pub metrics: Option<SocketAddr>,
    /// `GRAPHQL_*`: how much one request may ask for.
    pub graphql: GraphqlConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// `REDIS_URL`: queue, cache and limits are shared there; without it they live in the process.
    pub redis_url: Option<SecretString>,
    /// Verification codes.
    pub codes: CodesConfig,
    /// How often something may be done.
    pub limits: LimitsConfig,
    /// Passwords.
    pub passwords: PasswordsConfig,
    /// `INVITATION_EXPIRATION_HOURS`.
    pub invitation_lifetime: Duration,
    /// `DATA_RETENTION_DAYS`: how long what is over is kept.
    pub data_retention: Duration,
    /// Keys, and the life of tokens.
    pub tokens: TokensConfig,
    /// How mail is sent.
    pub mail: MailConfig,
    /// What mails say.
    pub templates: TemplatesConfig,
    /// What is logged, and where.
    pub log: LogConfig,
}

/// `APP_ENV`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Everything works without being set up; nothing is safe from the public.
    Development,
    /// Insecure defaults are refused.
    Production,
}

/// What the installation calls itself.
#[derive(Clone, Debug)]
pub struct AppConfig {
    /// `APP_ENV`.
    pub environment: Environment,
    /// `APP_NAME`.
    pub name: String,
    /// `APP_URL`, without a slash at its end.
    pub url: String,
    /// `SUPPORT_EMAIL`.
    pub support_email: Option<EmailAddress>,
}

/// The database.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`: `sqlite://…` or `postgres://…`. May hold a password.
    pub url: SecretString,
    /// `DATABASE_MAX_CONNECTIONS`.
    pub max_connections: u32,
    /// `RUN_MIGRATIONS`.
    pub run_migrations: bool,
}

impl DatabaseConfig {
    /// The file of a SQLite database; `None` for any other, and for one in memory.
    pub fn sqlite_file(&self) -> Option<&Path> {
        let path = self.url.expose_secret().strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        let (path, options) = path.split_once('?').unwrap_or((path, ""));
        let in_memory = path == ":memory:" || options.contains("mode=memory");
        (!in_memory).then(|| Path::new(path))
    }
}

/// Verification codes.
#[derive(Clone, Debug)]
pub struct CodesConfig {
    /// `CODE_LENGTH`, `CODE_TYPE`.
    pub format: CodeFormat,
    /// `CODE_EXPIRATION_MINUTES`.
    pub lifetime: Duration,
    /// `MAX_VERIFICATION_ATTEMPTS`: answers per code.
    pub max_attempts: u32,
    /// `ACCOUNT_EXISTENCE_HINTS`.
    pub existence_hints: bool,
}

/// How often something may be done.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// `MAX_CODE_REQUESTS_PER_HOUR`, per address.
    pub code_requests_per_hour: u32,
    /// `MAX_CODE_REQUESTS_PER_HOUR_PER_IP`.
    pub code_requests_per_hour_per_ip: u32,
    /// `MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP`: wrong codes over all addresses.
    pub verifications_per_15_minutes_per_ip: u32,
    /// `MAX_LOGIN_ATTEMPTS_PER_15_MINUTES`: failed password logins, per address.
    pub login_attempts_per_15_minutes: u32,
    /// `MAX_LOGIN_ATTEMPTS_PER_15_MINUTES_PER_IP`.
    pub login_attempts_per_15_minutes_per_ip: u32,
    /// `MAX_REGISTRATIONS_PER_HOUR_PER_IP`.
    pub registrations_per_hour_per_ip: u32,
    /// `MAX_PASSWORD_RESETS_PER_HOUR`, per address.
    pub password_resets_per_hour: u32,
    /// `MAX_INVITATIONS_PER_HOUR_PER_TEAM`.
    pub invitations_per_hour_per_team: u32,
    /// `SUSPICIOUS_FAILURES_PER_ADDRESS`, in an hour; 0 is never. So are the next.
    pub suspicious_failures_per_address: u32,
    /// `SUSPICIOUS_FAILURES_PER_IP`.
    pub suspicious_failures_per_ip: u32,
    /// `SUSPICIOUS_ADDRESSES_PER_IP`.
    pub suspicious_addresses_per_ip: u32,
    /// `SUSPICIOUS_DEAD_CODES`.
    pub suspicious_dead_codes: u32,
}

/// Passwords.
#[derive(Clone, Copy, Debug)]
pub struct PasswordsConfig {
    /// `PASSWORD_MIN_LENGTH`.
    pub rule: PasswordRule,
    /// `BCRYPT_COST`.
    pub bcrypt_cost: u32,
    /// `PASSWORD_RESET_EXPIRATION_MINUTES`.
    pub reset_lifetime: Duration,
}

/// Keys, and the life of tokens.
#[derive(Clone, Debug)]
pub struct TokensConfig {
    /// `JWT_SECRET_KEY`, at least 32 bytes: every other key is derived from it.
    pub secret_key: SecretString,
    /// `JWT_SECRET_KEY_PREVIOUS`: still accepted, never used to sign.
    pub secret_key_previous: Option<SecretString>,
    /// `JWT_PRIVATE_KEY`, in PEM: signs access tokens.
    pub private_key: Option<SecretString>,
    /// `JWT_PRIVATE_KEY_PREVIOUS`, in PEM: still accepted.
    pub private_key_previous: Option<SecretString>,
    /// `JWT_ISSUER`.
    pub issuer: String,
    /// `JWT_AUDIENCE`.
    pub audience: String,
    /// `JWT_EXPIRATION_MINUTES`: life of an access token.
    pub access_lifetime: Duration,
    /// `REFRESH_TOKEN_EXPIRATION_MINUTES`: life of a session without use.
    pub refresh_lifetime: Duration,
    /// `REFRESH_GRACE_SECONDS`.
    pub refresh_grace: Duration,
}

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// `EMAIL_SERVICE`: tried in this order.
    pub providers: Vec<MailProviderConfig>,
    /// `EMAIL_FROM_ADDRESS`.
    pub from_address: EmailAddress,
    /// `EMAIL_FROM_NAME`.
    pub from_name: String,
    /// `EMAIL_TIMEOUT_SECONDS`: for a whole conversation with a provider.
    pub timeout: std::time::Duration,
    /// `EMAIL_MAX_ATTEMPTS`: after so many tries a mail may be given up.
    pub max_attempts: u32,
    /// `EMAIL_FALLBACK_TO_CONSOLE`: print a dead mail's code on standard output.
    pub fallback_to_console: bool,
    /// `WORKER_CONCURRENCY`: mails sent at once by one process.
    pub concurrency: usize,
}

/// A way to send mail.
#[derive(Clone, Debug)]
pub enum MailProviderConfig {
    /// Prints the mail on the console and keeps it for the mailbox page.
    Mock,
    /// An SMTP server; `gmail` is one with its host filled in.
    Smtp(SmtpConfig),
    /// SendGrid, by its HTTP API.
    SendGrid(SendGridConfig),
}

impl MailProviderConfig {
    /// How it is called in settings, logs and outbox rows.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mock => "mock",
            Self::Smtp(smtp) => smtp.name,
            Self::SendGrid(_) => "sendgrid",
        }
    }

    /// Whether it only pretends to send.
    pub fn is_mock(&self) -> bool {
        matches!(self, Self::Mock)
    }
}

/// SendGrid.
#[derive(Clone, Debug)]
pub struct SendGridConfig {
    /// `SENDGRID_API_KEY`.
    pub api_key: SecretString,
    /// `SENDGRID_BASE_URL`, without a slash at its end: `https`, or a loopback host.
    pub base_url: String,
}

/// An SMTP server.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// How the provider is called in logs and outbox rows: `gmail` or `smtp`.
    pub name: &'static str,
    /// `SMTP_HOST`.
    pub host: String,
    /// `SMTP_PORT`.
    pub port: u16,
    /// `SMTP_USERNAME` and `SMTP_PASSWORD`, or `GMAIL_USER` and `GMAIL_APP_PASSWORD`.
    pub credentials: Option<(String, SecretString)>,
    /// How the connection is encrypted.
    pub encryption: SmtpEncryption,
}

impl SmtpConfig {
    /// Whether the password has the shape of a Google app password: 16 letters.
    pub fn has_app_password(&self) -> bool {
        let password = self.credentials.as_ref().map(|(_, password)| password);
        password.is_some_and(|password| mail::is_app_password(password.expose_secret()))
    }
}

/// How a connection to an SMTP server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpEncryption {
    /// TLS from the first byte (port 465).
    Implicit,
    /// STARTTLS, required.
    StartTls,
    /// None.
    None,
}

/// What mails say.
#[derive(Clone, Debug, Default)]
pub struct TemplatesConfig {
    /// `TEMPLATE_DIRECTORY`, if `USE_TEMPLATE_FILES` is on.
    pub directory: Option<PathBuf>,
    /// `SIGNUP_EMAIL_SUBJECT`, `SIGNUP_EMAIL_TEMPLATE`.
    pub signup: TemplateOverride,
    /// `LOGIN_EMAIL_SUBJECT`, `LOGIN_EMAIL_TEMPLATE`.
    pub login: TemplateOverride,
}

/// Template text from the environment; wins over files.
#[derive(Clone, Debug, Default)]
pub struct TemplateOverride {
    /// The subject.
    pub subject: Option<String>,
    /// The body: HTML if it has a tag, else plain text.
    pub body: Option<String>,
}
