//! What the other commands of the binary do.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::StartError;
use crate::config::{self, Config, Loaded, Problems};
use crate::db::{Db, DbError};
use crate::domain::operation::NotSignedIn;
use crate::graphql;
use crate::service::{Failure, ServiceError};
use crate::telemetry;

/// How long `healthcheck` waits for an answer.
const HEALTHCHECK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The database did not do as told.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The parts cannot be put together.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The command was refused.
    #[error("{0}")]
    Refused(String),
    /// A use case failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Standard output is closed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server does not answer.
    #[error("the server does not answer")]
    Silent(#[from] reqwest::Error),
    /// The server answers with something else than 200.
    #[error("the server is not well: {0}")]
    Unwell(String),
}

impl CommandError {
    pub(super) fn refused(words: impl Into<String>) -> Self {
        Self::Refused(words.into())
    }
}

/// The errors that the administrator can correct, as text.
impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Internal(error) => error.into(),
            Failure::NotSignedIn => Self::refused(NotSignedIn.to_string()),
            Failure::Refused(errors) => {
                let texts = errors.iter().map(|error| error.reason.to_string());
                Self::Refused(texts.collect::<Vec<_>>().join(" "))
            }
        }
    }
}

/// Prints the GraphQL schema, or the page that explains it, `docs/schema.md`.
pub fn print_schema(markdown: bool) -> Result<(), CommandError> {
    let text = if markdown {
        graphql::reference_markdown().map_err(io::Error::other)?
    } else {
        graphql::sdl()
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// Prints an example of all settings.
pub fn config_example() -> Result<(), CommandError> {
    Ok(io::stdout().write_all(config::env_example().as_bytes())?)
}

/// Prints the table of all settings, as in `docs/configuration.md`.
pub fn config_reference() -> Result<(), CommandError> {
    Ok(io::stdout().write_all(config::configuration_markdown().as_bytes())?)
}

/// Prints the table of all log events, as in `docs/events.md`.
pub fn print_events() -> Result<(), CommandError> {
    Ok(io::stdout().write_all(telemetry::event_table_markdown().as_bytes())?)
}

/// Prints the settings as they hold, secrets hidden, or all that is wrong with them.
pub fn config_check(loaded: &Result<Loaded, Problems>, json: bool) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    match loaded {
        Ok(loaded) if json => {
            let report = serde_json::json!({
                "ok": true,
                "settings": loaded.effective,
                "warnings": loaded.warnings,
                "notes": loaded.notes,
            });
            writeln!(out, "{report:#}")?;
        }
        Ok(loaded) => {
            for setting in &loaded.effective {
                let origin = if setting.set { "" } else { "  (default)" };
                let value = setting.value.as_deref().unwrap_or("none");
                writeln!(out, "{} = {value}{origin}", setting.name)?;
            }
            for warning in &loaded.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            for note in &loaded.notes {
                writeln!(out, "note: {note}")?;
            }
        }
        Err(problems) if json => {
            let report = serde_json::json!({ "ok": false, "problems": problems.0 });
            writeln!(out, "{report:#}")?;
        }
        Err(problems) => writeln!(io::stderr(), "{problems}")?,
    }
    Ok(())
}

/// Brings the schema of the database up to date.
pub async fn migrate_up(config: &Config) -> Result<(), CommandError> {
    let db = Db::connect(&config.database).await?;
    db.migrate_up().await?;
    Ok(db.close().await?)
}

/// Takes the last migrations back, with the data of their tables.
pub async fn migrate_down(config: &Config, steps: u32) -> Result<(), CommandError> {
    let db = Db::connect(&config.database).await?;
    db.migrate_down(steps).await?;
    Ok(db.close().await?)
}

/// Prints every migration and whether it was applied.
pub async fn migration_status(config: &Config, json: bool) -> Result<(), CommandError> {
    let db = Db::connect(&config.database).await?;
    let states = db.migration_status().await?;
    db.close().await?;
    let mut out = io::stdout().lock();
    if json {
        let list: Vec<_> = states
            .iter()
            .map(|state| serde_json::json!({ "name": state.name, "applied": state.applied }))
            .collect();
        writeln!(out, "{:#}", serde_json::Value::from(list))?;
    } else {
        for state in states {
            let word = if state.applied { "applied" } else { "pending" };
            writeln!(out, "{word}  {}", state.name)?;
        }
    }
    Ok(())
}

/// Asks the process on this machine whether it is alive. One that is degraded is: killing it
/// would mend nothing. A worker answers at the metrics listener only.
pub async fn healthcheck(config: &Config, worker: bool) -> Result<(), CommandError> {
    let address = if worker {
        config.metrics.ok_or_else(|| {
            CommandError::refused("a worker can be asked only where METRICS_PORT is set")
        })?
    } else {
        SocketAddr::new(config.http.host, config.http.port)
    };
    let address = SocketAddr::new(reachable(address.ip()), address.port());
    let scheme = if config.http.tls.is_some() && !worker {
        "https"
    } else {
        "http"
    };
    // It is this machine that is asked, by its address: no certificate is made out to that.
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .timeout(HEALTHCHECK_PATIENCE)
        .build()?;
    let answer = client
        .get(format!("{scheme}://{address}/healthz"))
        .send()
        .await?;
    let status = answer.status();
    if status == reqwest::StatusCode::OK {
        Ok(())
    } else {
        Err(CommandError::Unwell(status.to_string()))
    }
}

/// An address at which this machine reaches a listener of its own.
pub(super) fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    }
}
