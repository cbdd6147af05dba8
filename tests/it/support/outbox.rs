//! Access to the outbox table.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::deployment::Deployment;
use super::eventually;

pub(crate) struct Outbox(DatabaseConnection);

/// The delivery state of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MailRow {
    pub(crate) state: String,
    pub(crate) attempts: i32,
    pub(crate) last_error: Option<String>,
    pub(crate) is_leased: bool,
}

impl Outbox {
    pub(crate) async fn of(deployment: &Deployment) -> Self {
        Self(deployment.database().await)
    }

    /// The rows for a recipient, oldest first.
    pub(crate) async fn rows(&self, recipient: &str) -> Vec<MailRow> {
        self.rows_where(&format!("recipient = '{recipient}'")).await
    }

    /// The rows that match an SQL condition, oldest first.
    pub(crate) async fn rows_where(&self, condition: &str) -> Vec<MailRow> {
        let query = format!(
            "SELECT state, attempts, last_error, \
             CASE WHEN leased_until IS NULL THEN 0 ELSE 1 END AS is_leased \
             FROM outbox_mails WHERE {condition} ORDER BY created_at"
        );
        let statement = Statement::from_string(self.0.get_database_backend(), query);
        let rows = self.0.query_all_raw(statement).await.unwrap();
        let rows = rows.iter().map(|row| MailRow {
            state: row.try_get("", "state").unwrap(),
            attempts: row.try_get("", "attempts").unwrap(),
            last_error: row.try_get("", "last_error").unwrap(),
            is_leased: row.try_get::<i32>("", "is_leased").unwrap() == 1,
        });
        rows.collect()
    }

    /// Waits until the newest row for a recipient meets a condition; returns the row.
    pub(crate) async fn wait_until(
        &self,
        recipient: &str,
        what: &str,
        condition: impl Fn(&MailRow) -> bool,
    ) -> MailRow {
        eventually(&format!("{what}: the mail to {recipient}"), async || {
            self.rows(recipient).await.pop().filter(&condition)
        })
        .await
    }

    pub(crate) async fn wait_for_state(&self, recipient: &str, state: &str) -> MailRow {
        self.wait_until(recipient, state, |row| row.state == state)
            .await
    }

    /// Waits until this many attempts to send the newest mail to a recipient have failed.
    pub(crate) async fn wait_for_failures(&self, recipient: &str, attempts: i32) -> MailRow {
        self.wait_until(recipient, "failed", |row| {
            row.attempts == attempts && !row.is_leased
        })
        .await
    }

    pub(crate) async fn expire_leases(&self) {
        self.execute(
            "UPDATE outbox_mails SET leased_until = created_at WHERE leased_until IS NOT NULL",
        )
        .await;
    }

    pub(crate) async fn make_due(&self, recipient: &str) {
        self.execute(&format!(
            "UPDATE outbox_mails SET next_attempt_at = created_at WHERE recipient = '{recipient}'"
        ))
        .await;
    }

    /// Copies the only mail to `copies` other recipients. The copies are pending.
    pub(crate) async fn copy_mail(&self, copies: u32) {
        let (numbers, id) = match self.0.get_database_backend() {
            DbBackend::Postgres => (
                format!("SELECT generate_series(1, {copies})"),
                "gen_random_uuid()",
            ),
            _ => (
                format!(
                    "SELECT 1 WHERE {copies} > 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {copies}"
                ),
                "randomblob(16)",
            ),
        };
        let same = "kind, user_id, refers_to, params, created_at";
        self.execute(&format!(
            "WITH RECURSIVE numbers (n) AS ({numbers})
             INSERT INTO outbox_mails (id, recipient, state, attempts, next_attempt_at, {same})
             SELECT {id}, 'user' || n || '@example.com', 'pending', 0, created_at, {same}
             FROM outbox_mails, numbers"
        ))
        .await;
    }

    async fn execute(&self, statement: &str) {
        self.0.execute_unprepared(statement).await.unwrap();
    }
}
