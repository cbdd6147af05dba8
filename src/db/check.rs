//! Diagnostics for the `doctor` command.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};
use secrecy::ExposeSecret;
use sqlx::{Connection, PgConnection};

use super::{CONNECT_TIMEOUT, Db, DbError};
use crate::config::DatabaseConfig;
use crate::domain::clock::Timestamp;

impl Db {
    /// Opens one connection to PostgreSQL to report why that fails: [`connect`](Self::connect)
    /// retries refused connections until it times out, and then reports only the timeout.
    pub async fn try_out(config: &DatabaseConfig) -> Result<(), DbError> {
        if config.sqlite_file().is_none() && !config.url.expose_secret().starts_with("sqlite:") {
            let failed = |error: sqlx::Error| DbErr::Custom(error.to_string());
            let seconds = CONNECT_TIMEOUT.as_secs();
            let timed_out = || DbErr::Custom(format!("no answer within {seconds} s"));
            let connection = PgConnection::connect(config.url.expose_secret());
            tokio::time::timeout(CONNECT_TIMEOUT, connection)
                .await
                .map_err(|_| timed_out())?
                .map_err(failed)?
                .close()
                .await
                .map_err(failed)?;
        }
        Ok(())
    }

    pub async fn version(&self) -> Result<String, DbError> {
        let query = match self.get_database_backend() {
            DatabaseBackend::Sqlite => "SELECT sqlite_version()",
            _ => "SELECT current_setting('server_version')",
        };
        self.ask(query).await
    }

    /// The time on PostgreSQL's clock.
    pub async fn now(&self) -> Result<Timestamp, DbError> {
        self.ask("SELECT clock_timestamp()").await
    }

    async fn ask<T: sea_orm::TryGetable>(&self, query: &str) -> Result<T, DbError> {
        let statement = Statement::from_string(self.get_database_backend(), query);
        let row = self.query_one_raw(statement).await?;
        let row = row.ok_or_else(|| DbError::Corrupt(format!("no row for {query}")))?;
        Ok(row.try_get_by_index(0)?)
    }
}
