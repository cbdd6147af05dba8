//! A deadline for every call to the database.
//!
//! PostgreSQL enforces its statement timeout only while it runs and can be reached. If the server
//! hangs or vanishes, the driver waits forever.

use std::future::Future;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::Connection;
use tokio::time::timeout;

/// The longest a call may take, including the wait for a free connection. Longer than the timeouts
/// that report a precise cause.
const DEADLINE: Duration = Duration::from_secs(15);
/// How long a released connection may take to finish its last statement. One that hangs would
/// otherwise occupy its place in the pool forever.
const RELEASE: Duration = Duration::from_secs(5);

/// A connection or transaction with a deadline of 15 s for every call.
#[derive(Clone, Debug)]
pub struct Bounded<C>(pub(super) C);

#[async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Bounded<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        bounded(self.0.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        bounded(self.0.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        bounded(self.0.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        bounded(self.0.query_all_raw(statement)).await
    }
}

pub(super) async fn bounded<T>(call: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    timeout(DEADLINE, call).await.unwrap_or_else(|_| {
        let seconds = DEADLINE.as_secs();
        let message = format!("no answer within {seconds} s");
        Err(DbErr::Conn(RuntimeErr::Internal(message)))
    })
}

/// Whether a released connection can be reused: it answers and is not in a transaction.
///
/// If ending a transaction fails, as on SQLite when the disk is full, driver and database disagree
/// about whether one is open. The connection would keep the write lock, and later writes on it would
/// never be committed.
pub(super) async fn is_at_rest<C: Connection>(connection: &mut C) -> Result<bool, sqlx::Error> {
    // Answered only after earlier statements have finished.
    match timeout(RELEASE, connection.ping()).await {
        Ok(answer) => answer.map(|()| !connection.is_in_transaction()),
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}
