//! All settings, read from the environment at start.
//!
//! [`settings`] is the table of all of them: a new setting is a row there. What several settings
//! make together is checked and built in [`mod@load`] and beside it.

mod dotenv;
mod keys;
mod load;
mod log;
mod mail;
mod parser;
mod production;
mod reader;
mod reference;
mod settings;
#[cfg(test)]
mod tests;
mod unknown;
mod urls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use strum::{EnumString, VariantNames};

use crate::domain::code::CodeFormat;

pub use keys::create_private_folder;
pub use load::load;
pub use log::{LogFileConfig, LogFormat, LogLevel, Masking, OtlpConfig};
pub use mail::{MailProviderConfig, SendGridConfig, SmtpConfig, SmtpEncryption};
pub use reader::{EffectiveSetting, Problems};
pub use reference::{configuration_markdown, env_example};
pub use settings::{
    AppConfig, CodesConfig, ConnectionsConfig, DatabaseConfig, DocumentLimits, GraphqlConfig,
    HttpConfig, LimitsConfig, LogConfig, MailConfig, PasswordsConfig, RedisConfig, TeamsConfig,
    TokensConfig,
};

/// Environment variables by name.
pub type Variables = BTreeMap<String, String>;

/// Settings without problems.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// What is probably a mistake, or insecure. Contains no secrets.
    pub warnings: Vec<String>,
    /// What is good to know and needs no change. Contains no secrets.
    pub notes: Vec<String>,
    /// Files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
    /// The value of each setting, without secrets.
    pub effective: Vec<EffectiveSetting>,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub app: AppConfig,
    pub http: HttpConfig,
    /// Where metrics are served, if they are.
    pub metrics: Option<SocketAddr>,
    pub graphql: GraphqlConfig,
    pub database: DatabaseConfig,
    pub redis: RedisConfig,
    pub codes: CodesConfig,
    pub limits: LimitsConfig,
    pub passwords: PasswordsConfig,
    pub teams: TeamsConfig,
    pub tokens: TokensConfig,
    pub mail: MailConfig,
    pub templates: TemplatesConfig,
    pub log: LogConfig,
}

#[derive(Clone, Copy, Debug, Default, EnumString, PartialEq, Eq, VariantNames)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum Environment {
    /// Works without any settings; not for the public.
    #[default]
    Development,
    /// Refuses insecure settings.
    Production,
}

/// The files to serve HTTPS with, both PEM.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The certificate, followed by its chain.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Debug, Default)]
pub struct TemplatesConfig {
    /// Where template files are read from, if they are used.
    pub directory: Option<PathBuf>,
    pub signup: TemplateOverride,
    pub login: TemplateOverride,
}

/// Template text from the environment; overrides files.
#[derive(Clone, Debug, Default)]
pub struct TemplateOverride {
    pub subject: Option<String>,
    /// HTML if it contains a tag, else plain text.
    pub body: Option<String>,
}

impl CodesConfig {
    pub fn format(&self) -> CodeFormat {
        CodeFormat {
            length: self.length,
            code_type: self.code_type,
        }
    }
}

impl DatabaseConfig {
    /// The file of a SQLite database; `None` for PostgreSQL and for a database in memory.
    pub fn sqlite_file(&self) -> Option<&Path> {
        let path = self.url.expose_secret().strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        let (path, options) = path.split_once('?').unwrap_or((path, ""));
        let in_memory = path == ":memory:" || options.contains("mode=memory");
        (!in_memory).then(|| Path::new(path))
    }
}

impl settings::MetricsSettings {
    fn address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host, self.port?))
    }
}
