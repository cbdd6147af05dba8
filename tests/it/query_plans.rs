//! Every query of a hot path has an index. The queries are those that the program makes: a
//! connection that stands in between writes them down, and the database is asked how it would
//! run them.

use std::sync::Mutex;

use chrono::Duration;
use gatelodge::crypto;
use gatelodge::db::{Db, DbError, Executor, codes, outbox, sessions, users};
use gatelodge::domain::clock::Timestamp;
use gatelodge::domain::code::Purpose;
use gatelodge::domain::email::EmailAddress;
use gatelodge::domain::session::RevokeReason;
use sea_orm::prelude::{Uuid, async_trait::async_trait};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};

use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

/// Rows for PostgreSQL, which chooses by what the tables hold. SQLite goes by rules alone.
const FILL: &str = "
    INSERT INTO users (id, email, name, is_active, is_superuser, created_at, updated_at)
        SELECT gen_random_uuid(), n || '@example.com', 'Ada', true, false, now(), now()
        FROM generate_series(1, 5000) n;
    INSERT INTO verification_codes (id, purpose, email, nonce, attempts, expires_at, created_at)
        SELECT gen_random_uuid(), 'login', email, '', 0, now(), now() FROM users;
    INSERT INTO sessions (id, user_id, generation, rotated_at, created_at, last_used_at, expires_at)
        SELECT gen_random_uuid(), id, 1, now(), now(), now(), now() FROM users;
    INSERT INTO outbox_mails
        (id, kind, recipient, params, state, attempts, next_attempt_at, created_at)
        SELECT gen_random_uuid(), 'login_code', email, '{}', CASE WHEN email LIKE '1_@%'
            THEN 'pending' ELSE 'sent' END, 1, now(), now() FROM users;
    ANALYZE";

/// A connection that keeps what it is asked.
struct Recorder {
    connection: DatabaseConnection,
    statements: Mutex<Vec<Statement>>,
}

impl Recorder {
    fn keep(&self, statement: &Statement) {
        self.statements.lock().unwrap().push(statement.clone());
    }
}

#[async_trait]
impl ConnectionTrait for Recorder {
    fn get_database_backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.keep(&statement);
        self.connection.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.connection.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.keep(&statement);
        self.connection.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.keep(&statement);
        self.connection.query_all_raw(statement).await
    }
}

struct Recording(Recorder);

impl Executor for Recording {
    type Connection = Recorder;

    fn connection(&self) -> &Recorder {
        &self.0
    }
}

impl Recording {
    async fn of(deployment: &Deployment) -> Self {
        let connection = deployment.database().await;
        if connection.get_database_backend() == DbBackend::Postgres {
            connection.execute_unprepared(FILL).await.unwrap();
        }
        Self(Recorder {
            connection,
            statements: Mutex::default(),
        })
    }

    /// Asserts that every statement of a query goes by an index whose name has these words.
    async fn uses<T>(&self, query: impl Future<Output = Result<T, DbError>>, indexes: &[&str]) {
        self.0.statements.lock().unwrap().clear();
        query.await.unwrap();
        let statements = std::mem::take(&mut *self.0.statements.lock().unwrap());
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

    async fn plan(&self, statement: &Statement) -> String {
        let backend = self.0.get_database_backend();
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
        let rows = self.0.connection.query_all_raw(explained).await.unwrap();
        let lines = rows
            .iter()
            .map(|row| row.try_get_by_index::<String>(column).unwrap());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// How each database calls the index of a primary key or of `UNIQUE`.
fn key_of(recording: &Recording, table: &str, column: &str) -> String {
    match (recording.0.get_database_backend(), column) {
        (DbBackend::Postgres, "id") => format!("{table}_pkey"),
        (DbBackend::Postgres, column) => format!("{table}_{column}_key"),
        (_, column) => format!(
            "SEARCH {table} USING INDEX sqlite_autoindex_{table}_{}",
            if column == "id" { 1 } else { 2 }
        ),
    }
}

on_both_deployments! {
    /// What each request or each sign-in asks does not get slower as the tables grow.
    async fn hot_queries_go_by_an_index(deployment: Deployment) {
        Db::connect(&deployment.config(&[]).database)
            .await
            .unwrap()
            .migrate_up()
            .await
            .unwrap();
        let db = Recording::of(&deployment).await;
        let now: Timestamp = deployment.clock.now();
        let email = EmailAddress::parse("ada@example.com").unwrap();
        let id = Uuid::from_bytes(crypto::random());
        let (user_key, session_key) = (key_of(&db, "users", "id"), key_of(&db, "sessions", "id"));
        let (code_key, mail_key) = (
            key_of(&db, "verification_codes", "id"),
            key_of(&db, "outbox_mails", "id"),
        );

        db.uses(
            users::find_by_email(&db, &email),
            &[&key_of(&db, "users", "email")],
        )
        .await;
        db.uses(users::find(&db, id.into()), &[&user_key]).await;
        let newest = "verification_codes_purpose_email_created_at";
        for purpose in [Purpose::Signup, Purpose::Login] {
            db.uses(codes::find_newest(&db, purpose, &email), &[newest])
                .await;
        }
        db.uses(codes::find(&db, id.into()), &[&code_key]).await;
        db.uses(codes::count_attempt(&db, id.into(), 5), &[&code_key])
            .await;
        db.uses(codes::consume(&db, id.into(), now), &[&code_key])
            .await;

        db.uses(sessions::find_with_user(&db, id.into()), &[&session_key])
            .await;
        db.uses(
            sessions::rotate(&db, id.into(), 1, now, now),
            &[&session_key],
        )
        .await;
        db.uses(sessions::touch(&db, id.into(), now), &[&session_key])
            .await;
        db.uses(
            sessions::revoke(&db, id.into(), now, RevokeReason::Logout),
            &[&session_key],
        )
        .await;

        db.uses(outbox::due(&db, now, 100), &["outbox_mails_due"])
            .await;
        db.uses(
            outbox::lease(&db, id.into(), now, now + Duration::minutes(1)),
            &[&mail_key],
        )
        .await;
        let sent = outbox::Outcome::Sent { provider: "smtp" };
        db.uses(outbox::finish(&db, id.into(), 1, now, sent), &[&mail_key])
            .await;
    }
}

/// The test above can fail: a query without an index is seen.
#[tokio::test]
#[should_panic(expected = "SCAN")]
async fn a_query_without_an_index_is_noticed() {
    let deployment = Deployment::embedded().await;
    Db::connect(&deployment.config(&[]).database)
        .await
        .unwrap()
        .migrate_up()
        .await
        .unwrap();
    let db = Recording::of(&deployment).await;
    let by_name = Statement::from_string(DbBackend::Sqlite, "SELECT id FROM users WHERE name = ''");
    let query = async {
        db.connection()
            .query_all_raw(by_name)
            .await
            .map_err(DbError::from)
    };
    db.uses(query, &[]).await;
}
