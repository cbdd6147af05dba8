//! An end to every call of the database.
//!
//! PostgreSQL ends its own statements in time, as long as it runs and can be reached. A server
//! that is stuck, or gone without a word, says nothing at all, and the driver waits for ever.

use std::future::Future;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::Connection;
use tokio::time::timeout;

/// How long a call may take, the wait for a free connection included: more than either of the
/// limits that say what is wrong.
const DEADLINE: Duration = Duration::from_secs(15);
/// How long a connection may take to end what it was used for. One whose user has given up waiting
/// may never be of use again, and would keep its place in the pool for good.
const RELEASE: Duration = Duration::from_secs(5);

/// A connection or transaction of which every call ends within 15 s.
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

/// Fails if the call does not end in time.
pub(super) async fn bounded<T>(call: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    timeout(DEADLINE, call).await.unwrap_or_else(|_| {
        let seconds = DEADLINE.as_secs();
        let message = format!("no answer within {seconds} s");
        Err(DbErr::Conn(RuntimeErr::Internal(message)))
    })
}

/// Whether a connection that was given back to the pool can be used again: it answers, and its
/// transaction is over.
///
/// If the end of a transaction fails, as it does on SQLite when the disk is full, the driver and the
/// database no longer agree on whether there is one. The connection would hold the write lock, and
/// what was written on it later would never be committed.
pub(super) async fn is_at_rest<C: Connection>(connection: &mut C) -> Result<bool, sqlx::Error> {
    // The answer comes after the end of what was begun before.
    match timeout(RELEASE, connection.ping()).await {
        Ok(answer) => answer.map(|()| !connection.is_in_transaction()),
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}
