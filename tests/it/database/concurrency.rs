//! The database: its schema, and how it behaves under many hands.

use std::process::Output;

use futures::future::join_all;
use gatelodge::testing::config::Variables;
use gatelodge::testing::db::Db;
use gatelodge::testing::domain::mail::MailKind;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::process::command;

/// Runs the binary to its end.
async fn run(variables: Variables, arguments: &'static [&'static str]) -> Output {
    let running = tokio::task::spawn_blocking(move || {
        let directory = TempDir::new().unwrap();
        command(directory.path(), &variables)
            .args(arguments)
            .output()
            .unwrap()
    });
    running.await.unwrap()
}

async fn migrate(deployment: &Deployment, arguments: &'static [&'static str]) -> String {
    let output = run(deployment.variables(&[]), arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether each migration was applied, oldest first.
async fn status(deployment: &Deployment) -> Vec<bool> {
    let text = migrate(deployment, &["migrate", "status", "--json"]).await;
    let states: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(states.len() > 1, "{text}");
    states
        .iter()
        .map(|state| state["applied"].as_bool().unwrap())
        .collect()
}

async fn has(deployment: &Deployment, applied: bool) {
    let states = status(deployment).await;
    assert!(states.iter().all(|state| *state == applied), "{states:?}");
}

on_both_deployments! {
    /// The schema can be put up, taken back and put up again, and the app runs on the outcome.
    async fn migrations_apply_and_revert(deployment: Deployment) {
        deployment.remove_tables().await;
        has(&deployment, false).await;
        migrate(&deployment, &["migrate", "up"]).await;
        has(&deployment, true).await;
        migrate(&deployment, &["migrate", "up"]).await;

        migrate(&deployment, &["migrate", "down"]).await;
        let states = status(&deployment).await;
        let (newest, older) = states.split_last().unwrap();
        assert!(!newest && older.iter().all(|applied| *applied), "{states:?}");
        migrate(&deployment, &["migrate", "down", "--steps", "99"]).await;
        has(&deployment, false).await;
        let ours = ["users", "verification_codes", "sessions", "outbox_mails"];
        for table in ours {
            let database = deployment.database().await;
            let asked = database
                .execute_unprepared(&format!("SELECT * FROM {table}"))
                .await;
            assert!(asked.is_err(), "{table} is still there");
            database.close().await.unwrap();
        }

        migrate(&deployment, &["migrate", "up"]).await;
        has(&deployment, true).await;
        let app = deployment.start_with(&[("RUN_MIGRATIONS", "false")]).await;
        app.sign_up("ada@example.com").await;
    }

    /// Processes that start at once do not get in each other's way, whether they are told to
    /// migrate or do it by themselves.
    async fn processes_can_migrate_at_once(deployment: Deployment) {
        deployment.remove_tables().await;
        for round in 0..3 {
            let migrating = (0..4).map(|_| run(deployment.variables(&[]), &["migrate", "up"]));
            for output in join_all(migrating).await {
                assert!(output.status.success(), "round {round}: {output:?}");
            }
            has(&deployment, true).await;
            migrate(&deployment, &["migrate", "down", "--steps", "99"]).await;
        }
        let (one, other) = futures::join!(deployment.start(), deployment.start());
        has(&deployment, true).await;
        one.sign_up("ada@example.com").await;
        other.sign_up("grace@example.com").await;
        one.allow_unread_mail().stop().await;
        other.allow_unread_mail().stop().await;
    }

    /// Two hundred people at once are all served: no lock of the database is an error of theirs.
    async fn two_hundred_concurrent_writes_succeed(deployment: Deployment) {
        let limits = [
            ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1000"),
            ("MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP", "1000"),
        ];
        let app = deployment.start_with(&limits).await.allow_unread_mail();
        let emails: Vec<_> = (0..200).map(|n| format!("ada{n}@example.com")).collect();
        let requests = emails
            .iter()
            .map(|email| app.request_signup_code(email, "Ada"));
        for answer in join_all(requests).await {
            assert_eq!(answer["errors"], json!([]));
        }
        let sign_ups = emails.iter().map(async |email| {
            let code = app.code(MailKind::SignupCode, email).await;
            app.verify_signup_code(email, &code).await
        });
        for answer in join_all(sign_ups).await {
            assert_eq!(answer["errors"], json!([]));
        }
        assert_eq!(deployment.count("users").await, 200);
        assert_eq!(deployment.count("sessions").await, 200);
        assert_eq!(deployment.count("outbox_mails").await, 200);
    }

    /// A row that belongs to an account goes with it, and cannot be without one.
    async fn foreign_keys_are_in_force(deployment: Deployment) {
        let app = deployment.start().await;
        let tokens = app.sign_up("ada@example.com").await;
        assert_eq!(
            app.with_token(&tokens.access).me().await["email"],
            "ada@example.com"
        );
        let db = Db::connect(&deployment.config(&[]).database).await.unwrap();
        let orphan = "INSERT INTO sessions SELECT id, nonce, 1, created_at, created_at, created_at,
            created_at, NULL, NULL, NULL, NULL, NULL, NULL FROM verification_codes";
        let orphan = if db.is_sqlite() {
            orphan.to_owned()
        } else {
            orphan.replace("nonce", "id")
        };
        assert!(db.execute_unprepared(&orphan).await.is_err());
        db.execute_unprepared("DELETE FROM users")
            .await
            .unwrap();
        assert_eq!(deployment.count("sessions").await, 0);
        db.close().await.unwrap();
    }

    /// Two accounts cannot have one address, whatever the program does.
    async fn an_address_has_one_user(deployment: Deployment) {
        let app = deployment.start().await;
        app.sign_up("ada@example.com").await;
        app.sign_up("grace@example.com").await;
        let database = deployment.database().await;
        let taken = "UPDATE users SET email = 'ada@example.com'";
        assert!(database.execute_unprepared(taken).await.is_err());
        let revived = "UPDATE verification_codes SET used_at = NULL, email = 'ada@example.com'";
        assert!(database.execute_unprepared(revived).await.is_err());
        database.close().await.unwrap();
    }
}

/// What makes SQLite safe and quick: each connection of the app has it.
#[tokio::test]
async fn sqlite_is_configured_for_many_writers() {
    let deployment = Deployment::embedded().await;
    deployment.start().await.stop().await;
    let journal: String = deployment.value("PRAGMA journal_mode").await;
    assert_eq!(journal, "wal", "the file remembers");

    let db = Db::connect(&deployment.config(&[]).database).await.unwrap();
    let pragma = async |name: &str| {
        let statement = format!("PRAGMA {name}");
        let statement = Statement::from_string(db.get_database_backend(), statement);
        let row = db.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index::<i64>(0).unwrap()
    };
    for _ in 0..3 {
        assert_eq!(pragma("foreign_keys").await, 1);
        assert_eq!(pragma("busy_timeout").await, 10_000);
        assert_eq!(pragma("synchronous").await, 1, "NORMAL");
    }
    db.close().await.unwrap();
}

/// A statement that hangs does not hang forever.
#[tokio::test]
async fn postgres_ends_a_statement_that_takes_too_long() {
    let deployment = Deployment::clustered().await;
    let db = Db::connect(&deployment.config(&[]).database).await.unwrap();
    let statement = Statement::from_string(db.get_database_backend(), "SHOW statement_timeout");
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "10s");
    db.close().await.unwrap();
}
