//! Records the statements that queries execute, and checks their query plans.

use std::sync::Mutex;

use gatelodge::testing::db::{Db, DbError};
use sea_orm::prelude::{Uuid, async_trait::async_trait};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};

use super::deployment::Deployment;

/// Rows for PostgreSQL, whose plans depend on the data.
const TEST_DATA: &str = "
    INSERT INTO users (id, email, name, is_active, is_superuser, created_at, updated_at)
        SELECT gen_random_uuid(), n || '@example.com', 'Ada', true, false, now(), now()
        FROM generate_series(1, 5000) n;
    INSERT INTO credentials (id, user_id, kind, data, created_at)
        SELECT id, id, 'password', 'hash', now() FROM users;
    INSERT INTO verification_codes (id, purpose, email, nonce, attempts, expires_at, created_at)
        SELECT gen_random_uuid(), 'login', email, '', 0, now() + interval '1 hour', now() FROM users;
    INSERT INTO sessions (id, user_id, generation, rotated_at, created_at, last_used_at, expires_at)
        SELECT gen_random_uuid(), id, 1, now(), now(), now(), now() + interval '1 hour' FROM users;
    INSERT INTO outbox_mails
        (id, kind, recipient, params, state, attempts, next_attempt_at, created_at)
        SELECT gen_random_uuid(), 'login_code', email, '{}', CASE WHEN email LIKE '1_@%'
            THEN 'pending' ELSE 'sent' END, 1, now(), now() FROM users;
    INSERT INTO teams (id, name, description, created_at, updated_at)
        SELECT gen_random_uuid(), 'Engines', repeat('We compute. ', 40), now(), now() FROM generate_series(1, 5000);
    WITH t AS (SELECT id, row_number() OVER (ORDER BY id) n FROM teams),
        u AS (SELECT id, row_number() OVER (ORDER BY id) n FROM users)
        INSERT INTO team_members (id, team_id, user_id, role, joined_at)
        SELECT gen_random_uuid(), t.id, u.id, 'member', now() FROM t, u, generate_series(1, 5) k
        WHERE u.n = (t.n + k) % 5000 + 1 OR k = 1 AND (t.n = 1 AND u.n <= 1000 OR u.n = 1 AND t.n <= 15)
        ON CONFLICT DO NOTHING;
    INSERT INTO invitations (id, team_id, email, role, nonce, created_at, expires_at)
        SELECT gen_random_uuid(), id, id || '@example.com', 'member', decode(repeat('00', 16), 'hex'),
        now(), now() + interval '1 hour' FROM teams;
    INSERT INTO invitations (id, team_id, email, role, nonce, created_at, expires_at)
        SELECT gen_random_uuid(), (SELECT id FROM teams ORDER BY id LIMIT 1), email, 'member', decode(repeat('00', 16), 'hex'),
        now(), now() + interval '1 hour' FROM users LIMIT 500;
    ANALYZE";

/// A connection that records its statements.
pub(crate) struct RecordingConnection {
    connection: DatabaseConnection,
    statements: Mutex<Vec<Statement>>,
}

impl RecordingConnection {
    fn record(&self, statement: &Statement) {
        self.statements.lock().unwrap().push(statement.clone());
    }
}

#[async_trait]
impl ConnectionTrait for RecordingConnection {
    fn get_database_backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.record(&statement);
        self.connection.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.connection.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.record(&statement);
        self.connection.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.record(&statement);
        self.connection.query_all_raw(statement).await
    }
}

impl RecordingConnection {
    pub(crate) async fn of(deployment: &Deployment) -> Self {
        let db = Db::connect(&deployment.config(&[]).database).await.unwrap();
        db.migrate_up().await.unwrap();
        let connection = deployment.database().await;
        if connection.get_database_backend() == DbBackend::Postgres {
            connection.execute_unprepared(TEST_DATA).await.unwrap();
        }
        Self {
            connection,
            statements: Mutex::default(),
        }
    }

    /// The IDs of the team with the most members and the user with the most teams, or nil IDs.
    pub(crate) async fn largest_team_and_busiest_user(&self) -> (Uuid, Uuid) {
        let mut ids = Vec::new();
        for table in ["teams", "users"] {
            let sql = format!("SELECT id FROM {table} ORDER BY id LIMIT 1");
            let statement = Statement::from_string(self.get_database_backend(), sql);
            let row = self.connection.query_one_raw(statement).await.unwrap();
            ids.push(row.map_or(Uuid::nil(), |row| row.try_get_by_index(0).unwrap()));
        }
        (ids[0], ids[1])
    }

    /// Asserts that every statement of a query scans no table and uses all of these indexes, given
    /// by parts of their names.
    pub(crate) async fn assert_uses<T>(
        &self,
        query: impl Future<Output = Result<T, DbError>>,
        indexes: &[&str],
    ) {
        self.statements.lock().unwrap().clear();
        query.await.unwrap();
        let statements = std::mem::take(&mut *self.statements.lock().unwrap());
        assert!(!statements.is_empty());
        for statement in statements {
            let plan = self.plan(&statement).await;
            let sql = &statement.sql;
            let scans = plan
                .lines()
                .any(|line| line.contains("Seq Scan") || line.starts_with("SCAN"));
            assert!(!scans, "{sql}\n{plan}");
            for index in indexes {
                assert!(plan.contains(index), "no {index} for {sql}\n{plan}");
            }
        }
    }

    /// Sets whether PostgreSQL's planner avoids sorting where an index provides the order.
    pub(crate) async fn avoid_sorting(&self, avoid: bool) {
        if self.connection.get_database_backend() == DbBackend::Postgres {
            let set = format!("SET enable_sort = {}", !avoid);
            self.connection.execute_unprepared(&set).await.unwrap();
        }
    }

    async fn plan(&self, statement: &Statement) -> String {
        let backend = self.get_database_backend();
        let (explain, column) = match backend {
            DbBackend::Postgres => ("EXPLAIN", 0),
            _ => ("EXPLAIN QUERY PLAN", 3),
        };
        let values = statement
            .values
            .clone()
            .map(|values| values.0)
            .unwrap_or_default();
        let sql = format!("{explain} {}", statement.sql);
        let explained = Statement::from_sql_and_values(backend, sql, values);
        let rows = self.connection.query_all_raw(explained).await.unwrap();
        let lines = rows
            .iter()
            .map(|row| row.try_get_by_index::<String>(column).unwrap());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The name of the index of a primary key or `UNIQUE` constraint, as it is in a query plan.
pub(crate) fn key_index(recording: &RecordingConnection, table: &str, column: &str) -> String {
    match (recording.get_database_backend(), column) {
        (DbBackend::Postgres, "id") => format!("{table}_pkey"),
        (DbBackend::Postgres, column) => format!("{table}_{column}_key"),
        (_, column) => format!(
            "SEARCH {table} USING INDEX sqlite_autoindex_{table}_{}",
            if column == "id" { 1 } else { 2 }
        ),
    }
}
