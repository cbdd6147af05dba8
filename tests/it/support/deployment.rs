//! The databases, settings and files of one test.

use std::path::Path;

use gatelodge::testing::app::{App, Role};
use gatelodge::testing::config::{self, Config, Variables};
use gatelodge::testing::domain::clock::Clock;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use tempfile::TempDir;

use super::app::TestApp;
use super::database::{PostgresDatabase, connect, create_sqlite, sqlite_url};
use super::process::Process;
use super::redis::{RedisDatabase, RedisServer};

/// `JWT_SECRET_KEY` in every deployment.
pub(crate) const SECRET: &str = "a-secret-for-tests-of-at-least-32-bytes";

pub(crate) struct Deployment {
    /// The Redis database of a clustered deployment.
    pub(crate) redis: Option<RedisDatabase>,
    pub(crate) clock: Clock,
    own_redis: Option<RedisServer>,
    database_url: String,
    postgres: Option<PostgresDatabase>,
    directory: TempDir,
}

impl Deployment {
    /// SQLite, no Redis.
    pub(crate) async fn embedded() -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("data/test.db");
        create_sqlite(&file).await;
        Self {
            redis: None,
            clock: Clock::default(),
            own_redis: None,
            database_url: sqlite_url(&file),
            postgres: None,
            directory,
        }
    }

    /// PostgreSQL and Redis.
    pub(crate) async fn clustered() -> Self {
        let postgres = PostgresDatabase::create().await;
        Self {
            redis: Some(RedisDatabase::claim().await),
            clock: Clock::default(),
            own_redis: None,
            database_url: postgres.url(),
            postgres: Some(postgres),
            directory: TempDir::new().unwrap(),
        }
    }

    /// PostgreSQL, and a Redis server that the test may stop, pause and monitor.
    pub(crate) async fn with_own_redis() -> Self {
        Self::clustered().await.on_own_redis().await
    }

    /// The PostgreSQL database at a URL, and a Redis server that the test may stop, pause and monitor.
    pub(crate) async fn with_postgres_at(database_url: &str) -> Self {
        let redis = RedisServer::start().await;
        Self {
            redis: Some((*redis).clone()),
            clock: Clock::default(),
            own_redis: Some(redis),
            database_url: database_url.to_owned(),
            postgres: None,
            directory: TempDir::new().unwrap(),
        }
    }

    /// Replaces the shared Redis server, if one is used, by one that only this test uses.
    pub(crate) async fn on_own_redis(mut self) -> Self {
        if self.redis.is_some() {
            let redis = RedisServer::start().await;
            self.redis = Some((*redis).clone());
            self.own_redis = Some(redis);
        }
        self
    }

    /// Drops all tables, or deletes the SQLite database.
    pub(crate) async fn remove_tables(&self) {
        if self.postgres.is_some() {
            let database = self.database().await;
            let remove = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
            database.execute_unprepared(remove).await.unwrap();
            database.close().await.unwrap();
        } else {
            std::fs::remove_dir_all(self.path().join("data")).unwrap();
        }
    }

    /// The Redis server of [`with_own_redis`](Self::with_own_redis).
    pub(crate) fn redis_server(&self) -> &RedisServer {
        self.own_redis
            .as_ref()
            .expect("the deployment has its own Redis server")
    }

    /// Starts the app in the test's process.
    pub(crate) async fn start(&self) -> TestApp {
        self.start_with(&[]).await
    }

    pub(crate) async fn start_with(&self, settings: &[(&str, &str)]) -> TestApp {
        self.start_as(Role::ServeAndWork, settings).await
    }

    pub(crate) async fn start_as(&self, role: Role, settings: &[(&str, &str)]) -> TestApp {
        let app = App::build(self.config(settings), role, self.clock.clone())
            .await
            .unwrap();
        TestApp::run(app, self.clock.clone())
    }

    /// Starts the binary as a separate process in a new directory.
    pub(crate) async fn spawn(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Process {
        let mut variables = self.variables(settings);
        variables.insert("LOG_TO_CONSOLE".into(), "true".into());
        Process::spawn(arguments, variables).await
    }

    pub(crate) fn config(&self, settings: &[(&str, &str)]) -> Config {
        let variables = self.variables(settings);
        let loaded = config::load(&variables, self.directory.path());
        loaded.expect("the settings are valid").config
    }

    /// The environment variables of the app: the defaults for tests, overridden by `settings`.
    pub(crate) fn variables(&self, settings: &[(&str, &str)]) -> Variables {
        let mut variables = Variables::from(
            [
                ("PORT", "0"),
                ("DATABASE_URL", &self.database_url),
                ("JWT_SECRET_KEY", SECRET),
                ("EMAIL_SERVICE", "mock"),
                ("BCRYPT_COST", "4"),
                ("LOG_TO_CONSOLE", "false"),
                ("LOG_TO_FILE", "false"),
                ("USE_TEMPLATE_FILES", "false"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        if let Some(redis) = &self.redis {
            variables.insert("REDIS_URL".to_owned(), redis.url().to_owned());
        }
        for (name, value) in settings {
            variables.insert((*name).to_owned(), (*value).to_owned());
        }
        variables
    }

    /// A connection to the PostgreSQL server, as its superuser.
    pub(crate) async fn server_database(&self) -> DatabaseConnection {
        let postgres = self
            .postgres
            .as_ref()
            .expect("the deployment uses PostgreSQL");
        connect(&postgres.server_url).await
    }

    /// The directory of the deployment; SQLite's files are in `data`.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) async fn database(&self) -> DatabaseConnection {
        connect(&self.database_url).await
    }
}
