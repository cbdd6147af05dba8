//! A place to run the app in: databases of one test's own.

use std::path::Path;

use gatelodge::testing::app::{App, Role};
use gatelodge::testing::config::{self, Config, Variables};
use gatelodge::testing::domain::clock::Clock;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tempfile::TempDir;

use super::app::TestApp;
use super::postgres::PostgresServer;
use super::process::Process;
use super::redis::RedisServer;

/// The secret of every test's installation.
pub(crate) const SECRET: &str = "a-secret-for-tests-of-at-least-32-bytes";

pub(crate) struct Deployment {
    pub(crate) redis: Option<RedisServer>,
    pub(crate) clock: Clock,
    database_url: String,
    postgres: Option<Postgres>,
    directory: TempDir,
}

/// A database on the server that `scripts/services` runs; dropped with the test.
struct Postgres {
    server_url: String,
    name: String,
}

impl Deployment {
    /// SQLite, everything in one process.
    #[expect(clippy::unused_async, reason = "called as clustered() is")]
    pub(crate) async fn embedded() -> Self {
        let directory = TempDir::new().unwrap();
        let database_url = format!(
            "sqlite://{}?mode=rwc",
            directory.path().join("data/test.db").display()
        );
        Self {
            redis: None,
            clock: Clock::default(),
            database_url,
            postgres: None,
            directory,
        }
    }

    /// PostgreSQL and Redis.
    pub(crate) async fn clustered() -> Self {
        let server_url = std::env::var("TEST_DATABASE_URL")
            .expect("TEST_DATABASE_URL is set: run the tests through scripts/test");
        let name = format!(
            "test_{}",
            uuid::Uuid::from_bytes(gatelodge::testing::crypto::random()).simple()
        );
        let server = connect(&server_url).await;
        server
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        server.close().await.unwrap();
        let database_url = format!("{}/{name}", server_url.rsplit_once('/').unwrap().0);
        Self {
            redis: Some(RedisServer::start().await),
            clock: Clock::default(),
            database_url,
            postgres: Some(Postgres { server_url, name }),
            directory: TempDir::new().unwrap(),
        }
    }

    /// A PostgreSQL that the test may stop, and Redis.
    pub(crate) async fn on(postgres: &PostgresServer) -> Self {
        Self::at(&postgres.url()).await
    }

    /// The PostgreSQL at an address, and Redis.
    pub(crate) async fn at(database_url: &str) -> Self {
        Self {
            redis: Some(RedisServer::start().await),
            clock: Clock::default(),
            database_url: database_url.to_owned(),
            postgres: None,
            directory: TempDir::new().unwrap(),
        }
    }

    /// The app with default settings, as part of the test.
    pub(crate) async fn start(&self) -> TestApp {
        self.start_with(&[]).await
    }

    /// The app with some settings, as part of the test.
    pub(crate) async fn start_with(&self, settings: &[(&str, &str)]) -> TestApp {
        self.start_as(Role::ServeAndWork, settings).await
    }

    /// The app in one of its roles, as part of the test.
    pub(crate) async fn start_as(&self, role: Role, settings: &[(&str, &str)]) -> TestApp {
        let app = App::build(self.config(settings), role, self.clock.clone())
            .await
            .unwrap();
        TestApp::run(app, self.clock.clone())
    }

    /// The real binary, as a process of its own in a folder of its own.
    pub(crate) async fn spawn(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Process {
        let mut variables = self.variables(settings);
        variables.insert("LOG_TO_CONSOLE".into(), "true".into());
        Process::spawn(arguments, variables).await
    }

    /// What the app makes of some settings.
    pub(crate) fn config(&self, settings: &[(&str, &str)]) -> Config {
        let variables = self.variables(settings);
        let loaded = config::load(&variables, self.directory.path());
        loaded.expect("settings are right").config
    }

    /// All the settings the app is started with.
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
            variables.insert("REDIS_URL".to_owned(), redis.url());
        }
        for (name, value) in settings {
            variables.insert((*name).to_owned(), (*value).to_owned());
        }
        variables
    }

    /// A connection to the server that the database is on, as its superuser.
    pub(crate) async fn server_database(&self) -> DatabaseConnection {
        let postgres = self.postgres.as_ref().expect("it has PostgreSQL");
        connect(&postgres.server_url).await
    }

    /// Where its files are, in `data` the database's if it is SQLite.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A connection of the test's own.
    pub(crate) async fn database(&self) -> DatabaseConnection {
        connect(&self.database_url).await
    }
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

impl Drop for Deployment {
    fn drop(&mut self) {
        let Some(Postgres { server_url, name }) = self.postgres.take() else {
            return;
        };
        // The runtime of the test may be going down, so this has one of its own.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let server = connect(&server_url).await;
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                let _ = server.execute_unprepared(&drop).await;
            });
        });
        let _ = dropping.join();
    }
}
