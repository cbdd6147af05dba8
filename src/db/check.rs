//! What an operator asks of a database that may not be well.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};
use secrecy::ExposeSecret;
use sqlx::{Connection, PgConnection};

use super::{CONNECT_TIMEOUT, Db, DbError};
use crate::config::DatabaseConfig;
use crate::domain::clock::Timestamp;

impl Db {
    /// Makes one connection and says why that fails. [`connect`](Self::connect) tries a refused
    /// one again and again until its time is over, and then says only that. SQLite has nothing to
    /// connect to.
    pub async fn try_out(config: &DatabaseConfig) -> Result<(), DbError> {
        if config.sqlite_file().is_none() && !config.url.expose_secret().starts_with("sqlite:") {
            let failed = |error: sqlx::Error| DbErr::Custom(error.to_string());
            let seconds = CONNECT_TIMEOUT.as_secs();
            let silent = || DbErr::Custom(format!("no answer within {seconds} s"));
            let connection = PgConnection::connect(config.url.expose_secret());
            tokio::time::timeout(CONNECT_TIMEOUT, connection)
                .await
                .map_err(|_| silent())?
                .map_err(failed)?
                .close()
                .await
                .map_err(failed)?;
        }
        Ok(())
    }

    /// The version of the database.
    pub async fn version(&self) -> Result<String, DbError> {
        let query = match self.0.get_database_backend() {
            DatabaseBackend::Sqlite => "SELECT sqlite_version()",
            _ => "SELECT current_setting('server_version')",
        };
        self.ask(query).await
    }

    /// The time by the clock of PostgreSQL's machine.
    pub async fn now(&self) -> Result<Timestamp, DbError> {
        self.ask("SELECT clock_timestamp()").await
    }

    async fn ask<T: sea_orm::TryGetable>(&self, query: &str) -> Result<T, DbError> {
        let statement = Statement::from_string(self.0.get_database_backend(), query);
        let row = self.0.query_one_raw(statement).await?;
        let row = row.ok_or_else(|| DbError::Corrupt(format!("no row for {query}")))?;
        Ok(row.try_get_by_index(0)?)
    }
}
