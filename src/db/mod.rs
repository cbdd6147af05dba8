//! The database. sea-orm stays in here: the rest of the program sees domain types.
//!
//! Each file holds the queries of one noun. A query takes any [`Executor`]: the pool, or a
//! transaction where it must stand or fall with others.

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
use crate::config::{DatabaseConfig, make_private_folder};

mod check;
mod cleanup;
pub mod codes;
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

/// How long to wait for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a free connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one statement may take on PostgreSQL.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a transaction may rest on PostgreSQL between two statements, in milliseconds. The server
/// ends it then: one of a process that is gone without a word would hold its locks for hours.
const IDLE_TIMEOUT: &str = "15000";
/// How long a writer waits for another one on SQLite.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The advisory lock that whoever migrates PostgreSQL holds; any number that nobody else uses.
const MIGRATION_LOCK: i64 = 0x6761_7465_6c6f_6467;

/// A failed query.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A row breaks a uniqueness rule.
    #[error("a row like this exists already")]
    Conflict(#[source] DbErr),
    /// A row belongs to another one that is not there, or not there any more.
    #[error("what a row belongs to is gone")]
    Orphan(#[source] DbErr),
    /// It took too long.
    #[error("the database does not answer")]
    Silent,
    /// A row holds what the program cannot have written.
    #[error("unreadable row: {0}")]
    Corrupt(String),
    /// Anything else: the database is away, too slow or does not do as told.
    #[error("the database failed")]
    Failed(#[source] DbErr),
}

impl From<DbErr> for DbError {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::Conflict(error),
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => Self::Orphan(error),
            _ => Self::Failed(error),
        }
    }
}

/// The pool of connections. Clones share it.
#[derive(Clone, Debug)]
pub struct Db(Bounded<DatabaseConnection>);

/// An open transaction. What it changes it changes in the order teams, codes, mails, account,
/// sessions, so that two never wait for each other. Dropped without [`commit`](Self::commit), it
/// leaves no trace.
#[derive(Debug)]
pub struct Tx(Bounded<DatabaseTransaction>);

/// Where a query can run.
pub trait Executor: Sync {
    /// What sea-orm runs it on.
    #[doc(hidden)]
    type Connection: ConnectionTrait;

    #[doc(hidden)]
    fn connection(&self) -> &Self::Connection;
}

impl Executor for Db {
    type Connection = Bounded<DatabaseConnection>;

    fn connection(&self) -> &Self::Connection {
        &self.0
    }
}

impl Executor for Tx {
    type Connection = Bounded<DatabaseTransaction>;

    fn connection(&self) -> &Self::Connection {
        &self.0
    }
}

/// A migration and whether it was applied.
#[derive(Debug)]
pub struct MigrationState {
    /// Its file's name.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

impl Db {
    /// Opens the pool and makes sure that the database answers. The folder of a SQLite file is
    /// made if it is missing.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self, DbError> {
        let url = config.url.expose_secret();
        let file = config.sqlite_file();
        let in_memory = url.starts_with("sqlite:") && file.is_none();
        if let Some(folder) = file.and_then(Path::parent) {
            make_private_folder(folder).map_err(|error| {
                DbErr::Custom(format!("cannot make {}: {error}", folder.display()))
            })?;
        }
        let mut options = ConnectOptions::new(url);
        options
            // Each connection to `:memory:` would open a database of its own.
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
            Ok(connection) => Ok(Self(Bounded(connection))),
            Err(error) => {
                Self::try_out(config).await?;
                Err(error.into())
            }
        }
    }

    /// Begins a transaction. On SQLite it holds the write lock from the start: one that turned
    /// from reading to writing could fail at once, however long the busy timeout is.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let begun = bounded(self.0.0.begin_with_options(options));
        Ok(Tx(Bounded(begun.await?)))
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbError> {
        // It is larger than what others want to hold.
        Ok(bounded(Box::pin(self.0.0.ping())).await?)
    }

    /// Connections open, of which idle, and at most.
    pub fn pool(&self) -> [u32; 3] {
        fn figures<D: sqlx::Database>(pool: &sqlx::Pool<D>) -> [u32; 3] {
            let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
            [pool.size(), idle, pool.options().get_max_connections()]
        }
        if self.is_sqlite() {
            figures(self.0.0.get_sqlite_connection_pool())
        } else {
            figures(self.0.0.get_postgres_connection_pool())
        }
    }

    /// Whether the database is one file on this machine.
    pub fn is_sqlite(&self) -> bool {
        self.0.get_database_backend() == DatabaseBackend::Sqlite
    }

    /// Brings the schema up to date, one process at a time: all of it or nothing.
    pub async fn migrate_up(&self) -> Result<(), DbError> {
        let tx = self.begin_migration().await?;
        Migrator::up(&tx.0.0, None).await?;
        tx.commit().await
    }

    /// Takes the last `steps` migrations back, and the data of their tables with them.
    pub async fn migrate_down(&self, steps: u32) -> Result<(), DbError> {
        let tx = self.begin_migration().await?;
        Migrator::down(&tx.0.0, Some(steps)).await?;
        tx.commit().await
    }

    /// Every migration, oldest first, and whether it was applied.
    pub async fn migration_status(&self) -> Result<Vec<MigrationState>, DbError> {
        let migrations = Migrator::get_migration_with_status_read_only(&self.0.0).await?;
        let state = |migration: &migration::Migration| MigrationState {
            name: migration.name().to_owned(),
            applied: migration.status() == migration::MigrationStatus::Applied,
        };
        Ok(migrations.iter().map(state).collect())
    }

    /// A transaction that no other migrating process holds at the same time. SQLite's write lock
    /// is enough there.
    async fn begin_migration(&self) -> Result<Tx, DbError> {
        let tx = self.begin().await?;
        if !self.is_sqlite() {
            let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
            tx.0.execute_unprepared(&lock).await?;
        }
        Ok(tx)
    }

    /// Closes the pool after what runs has finished.
    pub async fn close(self) -> Result<(), DbError> {
        Ok(bounded(self.0.0.close()).await?)
    }
}

impl Tx {
    /// Makes everything done in it last.
    pub async fn commit(self) -> Result<(), DbError> {
        Ok(bounded(self.0.0.commit()).await?)
    }
}

/// A count or generation as the database keeps it.
fn to_column(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A count or generation as the program sees it.
fn from_column(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

/// Whether an update met its condition.
fn changed(result: &sea_orm::UpdateResult) -> bool {
    result.rows_affected > 0
}
