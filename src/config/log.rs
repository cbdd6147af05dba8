//! `LOG_*` and their like: what is logged, and where.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use super::settings::{self, Setting};
use super::{Environment, OtlpConfig, external};

/// What is logged, and where.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// `LOG_LEVEL`.
    pub level: LogLevel,
    /// `LOG_FORMAT`.
    pub format: LogFormat,
    /// `LOG_TO_CONSOLE`.
    pub console: bool,
    /// `LOG_FILE`, if `LOG_TO_FILE` is on.
    pub file: Option<LogFileConfig>,
    /// `SECURITY_LOG_FILE`, if `ENABLE_SECURITY_LOG` is on.
    pub security_file: Option<LogFileConfig>,
    /// `EXTERNAL_LOGGING_CONFIG`, if `EXTERNAL_LOGGING_ENABLED` is on.
    pub external: Option<OtlpConfig>,
    /// `MASK_EMAILS_IN_LOGS`.
    pub mask_emails: Masking,
    /// `MASK_IP_IN_LOGS`.
    pub mask_ips: Masking,
    /// `LOG_REQUEST_ID`.
    pub request_id: bool,
}

/// A log file that is rotated by size.
#[derive(Clone, Debug)]
pub struct LogFileConfig {
    /// Where it is.
    pub path: PathBuf,
    /// `LOG_MAX_BYTES`: it is rotated when it would grow beyond.
    pub max_bytes: usize,
    /// `LOG_BACKUP_COUNT`: how many rotated files are kept.
    pub backups: usize,
    /// `LOG_RETENTION_DAYS`: how long they are kept at most.
    pub retention: Option<Duration>,
}

/// `LOG_LEVEL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For developers.
    Debug,
    /// What happened.
    Info,
    /// What may need a look.
    Warning,
    /// What went wrong.
    Error,
    /// What stops the service.
    Critical,
}

/// `LOG_FORMAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One bunyan object a line.
    Json,
    /// For people.
    Text,
}

/// How personal data appears in logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// As it is.
    Off,
    /// Partly hidden.
    Mask,
    /// As a keyed hash, which still tells whether two are the same.
    Hash,
}

pub(super) fn read(r: &mut Reader, environment: Environment) -> LogConfig {
    let max_bytes = r.integer(settings::LOG_MAX_BYTES, 1024..=4_000_000_000);
    let backups = r.integer(settings::LOG_BACKUP_COUNT, 0..=1000);
    let days = r.read(
        settings::LOG_RETENTION_DAYS,
        "a whole number of days from 1 to 3650, or nothing",
        |text| {
            let days = text.trim().parse::<u64>().ok();
            days.filter(|days| (1..=3650).contains(days))
        },
    );
    let retention = days.map(|days| Duration::from_hours(24 * days));
    let mut file = |switch, path| {
        let on = r.flag(switch);
        let path = PathBuf::from(r.line(path)?);
        on.then_some(LogFileConfig {
            path,
            max_bytes,
            backups,
            retention,
        })
    };
    let security_file = file(settings::ENABLE_SECURITY_LOG, settings::SECURITY_LOG_FILE);
    let file = file(settings::LOG_TO_FILE, settings::LOG_FILE);
    LogConfig {
        level: r.choice(
            settings::LOG_LEVEL,
            [
                ("DEBUG", LogLevel::Debug),
                ("INFO", LogLevel::Info),
                ("WARNING", LogLevel::Warning),
                ("ERROR", LogLevel::Error),
                ("CRITICAL", LogLevel::Critical),
            ],
        ),
        format: r.choice(
            settings::LOG_FORMAT.or(match environment {
                Environment::Development => "text",
                Environment::Production => "json",
            }),
            [("json", LogFormat::Json), ("text", LogFormat::Text)],
        ),
        console: r.flag(settings::LOG_TO_CONSOLE),
        file,
        security_file,
        external: external::read(r),
        mask_emails: masking(r, settings::MASK_EMAILS_IN_LOGS),
        mask_ips: masking(r, settings::MASK_IP_IN_LOGS),
        request_id: r.flag(settings::LOG_REQUEST_ID),
    }
}

fn masking(r: &mut Reader, setting: Setting) -> Masking {
    let choices = [
        ("true", Masking::Mask),
        ("false", Masking::Off),
        ("hash", Masking::Hash),
    ];
    r.choice(setting, choices)
}
