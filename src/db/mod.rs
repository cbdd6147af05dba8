//! The database. Only this module uses sea-orm; the rest of the program sees domain types.
//!
//! Each file holds the queries on one kind of row. A query takes any [`Executor`]: the pool or a
//! transaction.

use std::path::Path;
use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection,
    DatabaseTransaction, DbErr, SqlErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use secrecy::ExposeSecret;
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};

use self::deadline::{Bounded, bounded, is_at_rest};
use crate::config::{DatabaseConfig, create_private_folder};
use crate::telemetry::event;
pub use sea_orm::ConnectionTrait as Executor;

mod check;
mod cleanup;
pub mod codes;
pub mod credentials;
mod deadline;
mod entity;
pub mod export;
pub mod heartbeats;
pub mod invitations;
mod keyset;
pub mod leases;
pub mod mail_attempts;
pub mod mail_records;
pub mod outbox;
pub mod sessions;
pub mod teams;
pub mod users;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest wait for a free connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// For PostgreSQL.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a transaction may be idle on PostgreSQL, in milliseconds. The server then ends it:
/// otherwise a process that vanished would hold its locks for hours.
const IDLE_TIMEOUT: &str = "15000";
/// The longest wait for another writer on SQLite.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The advisory lock for migrations on PostgreSQL; an arbitrary number.
const MIGRATION_LOCK: i64 = 0x6761_7465_6c6f_6467;

pub type Result<T, E = DbError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("unique constraint violated")]
    Conflict(#[source] DbErr),
    #[error("foreign key constraint violated")]
    ForeignKeyViolation(#[source] DbErr),
    #[error("the database does not answer")]
    Timeout,
    /// A row has content that the program cannot have written.
    #[error("unreadable row: {0}")]
    Corrupt(String),
    #[error("the database failed")]
    Failed(#[source] DbErr),
}

impl From<DbErr> for DbError {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::Conflict(error),
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => Self::ForeignKeyViolation(error),
            _ => Self::Failed(error),
        }
    }
}

/// The connection pool. Clones share it.
pub type Db = Bounded<DatabaseConnection>;

/// An open transaction; rolled back if dropped without [`commit`](Self::commit). Lock order: teams,
/// codes, mails, users, credentials, sessions.
pub type Tx = Bounded<DatabaseTransaction>;

#[derive(Debug, serde::Serialize)]
pub struct MigrationState {
    pub name: String,
    pub applied: bool,
}

impl Db {
    /// Opens the pool and checks that the database answers. Creates the folder of a SQLite file.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self> {
        let url = config.url.expose_secret();
        let file = config.sqlite_file();
        let in_memory = url.starts_with("sqlite:") && file.is_none();
        if let Some(folder) = file.and_then(Path::parent) {
            create_private_folder(folder).map_err(|error| {
                DbErr::Custom(format!("cannot make {}: {error}", folder.display()))
            })?;
        }
        let mut options = ConnectOptions::new(url);
        options
            // Each connection to `:memory:` opens a separate database.
            .max_connections(if in_memory { 1 } else { config.max_connections })
            .connect_timeout(CONNECT_TIMEOUT)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .statement_timeout(STATEMENT_TIMEOUT)
            .set_application_name("gatelodge")
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|sqlite| {
                sqlite
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Normal)
                    .foreign_keys(true)
                    .busy_timeout(BUSY_TIMEOUT)
            })
            .map_sqlx_postgres_opts(|postgres| {
                postgres.options([("idle_in_transaction_session_timeout", IDLE_TIMEOUT)])
            })
            .map_sqlx_postgres_pool_opts(|pool| {
                pool.after_release(|connection, _| Box::pin(is_at_rest(connection)))
            })
            .map_sqlx_sqlite_pool_opts(|pool| {
                pool.after_release(|connection, _| Box::pin(is_at_rest(connection)))
            });
        match Database::connect(options).await {
            Ok(connection) => Ok(Bounded(connection)),
            Err(error) => {
                Self::try_out(config).await?;
                Err(error.into())
            }
        }
    }

    /// Begins a transaction. On SQLite it takes the write lock at once: upgrading a read
    /// transaction can fail immediately, whatever the busy timeout.
    pub async fn begin(&self) -> Result<Tx> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let begun = bounded(self.0.begin_with_options(options));
        Ok(Bounded(begun.await?))
    }

    pub async fn ping(&self) -> Result<()> {
        // Boxed because the future is large.
        Ok(bounded(Box::pin(self.0.ping())).await?)
    }

    /// The number of open connections, of idle ones among them, and the maximum.
    pub fn pool(&self) -> [u32; 3] {
        fn figures<D: sqlx::Database>(pool: &sqlx::Pool<D>) -> [u32; 3] {
            let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
            [pool.size(), idle, pool.options().get_max_connections()]
        }
        if self.is_sqlite() {
            figures(self.0.get_sqlite_connection_pool())
        } else {
            figures(self.0.get_postgres_connection_pool())
        }
    }

    pub fn is_sqlite(&self) -> bool {
        self.get_database_backend() == DatabaseBackend::Sqlite
    }

    /// Applies all pending migrations in one transaction, one process at a time. A database that a
    /// newer release has migrated stays as it is: releases run beside each other during an update.
    pub async fn migrate_up(&self) -> Result<()> {
        let tx = self.begin_migration().await?;
        let known = Migrator::get_migration_files();
        let is_known = |version: &str| known.iter().any(|migration| migration.name() == version);
        let applied = Migrator::get_migration_models(&tx.0).await?;
        let (old, new): (Vec<_>, Vec<_>) =
            applied.into_iter().partition(|row| is_known(&row.version));
        if new.is_empty() || old.len() < known.len() {
            Migrator::up(&tx.0, None).await?;
        } else {
            let names: Vec<_> = new.iter().map(|row| row.version.as_str()).collect();
            event::emit(event::ConfigWarning {
                detail: &format!(
                    "a newer release has migrated the database: {}",
                    names.join(", ")
                ),
            });
        }
        tx.commit().await
    }

    /// Reverts the last `steps` migrations and deletes the data of their tables.
    pub async fn migrate_down(&self, steps: u32) -> Result<()> {
        let tx = self.begin_migration().await?;
        Migrator::down(&tx.0, Some(steps)).await?;
        tx.commit().await
    }

    /// Oldest first.
    pub async fn migration_status(&self) -> Result<Vec<MigrationState>> {
        let migrations = Migrator::get_migration_with_status_read_only(&self.0).await?;
        let state = |migration: &migration::Migration| MigrationState {
            name: migration.name().to_owned(),
            applied: migration.status() == migration::MigrationStatus::Applied,
        };
        Ok(migrations.iter().map(state).collect())
    }

    /// A transaction that only one process can hold. On SQLite the write lock is enough.
    async fn begin_migration(&self) -> Result<Tx> {
        let tx = self.begin().await?;
        if !self.is_sqlite() {
            let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
            tx.execute_unprepared(&lock).await?;
        }
        Ok(tx)
    }

    /// Closes the pool after running queries have finished.
    pub async fn close(self) -> Result<()> {
        Ok(bounded(self.0.close()).await?)
    }
}

impl Tx {
    pub async fn commit(self) -> Result<()> {
        Ok(bounded(self.0.commit()).await?)
    }
}

fn changed(result: &sea_orm::UpdateResult) -> bool {
    result.rows_affected > 0
}
