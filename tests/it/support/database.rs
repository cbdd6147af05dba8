//! Databases for tests: one is migrated per test run, and each test gets a copy.

use std::path::Path;

use gatelodge::testing::config::{self, Variables};
use gatelodge::testing::db::Db;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::deployment::SECRET;

/// A database on the PostgreSQL server that `scripts/services` started; deleted on drop.
pub(crate) struct PostgresDatabase {
    pub(crate) server_url: String,
    name: String,
}

impl PostgresDatabase {
    pub(crate) async fn create() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let server_url = std::env::var("TEST_DATABASE_URL")
            .expect("TEST_DATABASE_URL is set: run the tests through scripts/test");
        let template = TEMPLATE
            .get_or_init(async || {
                let template = unique_name("template");
                let server = connect(&server_url).await;
                create(&server, &template, "template1").await;
                server.close().await.unwrap();
                migrate(&url_of(&server_url, &template)).await;
                template
            })
            .await;
        let name = unique_name("test");
        let server = connect(&server_url).await;
        create(&server, &name, template).await;
        server.close().await.unwrap();
        Self { server_url, name }
    }

    pub(crate) fn url(&self) -> String {
        url_of(&self.server_url, &self.name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let server_url = self.server_url.clone();
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // The test's runtime may be shutting down.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let server = connect(&server_url).await;
                let _ = server.execute_unprepared(&drop).await;
            });
        });
        let _ = dropping.join();
    }
}

/// Creates a migrated SQLite database.
pub(crate) async fn create_sqlite(path: &Path) {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let template = TEMPLATE
        .get_or_init(async || {
            let directory = TempDir::new().unwrap();
            let file = directory.path().join("template.db");
            migrate(&sqlite_url(&file)).await;
            std::fs::read(file).unwrap()
        })
        .await;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, template).unwrap();
}

pub(crate) fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

pub(crate) async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

async fn create(server: &DatabaseConnection, name: &str, template: &str) {
    let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
    server.execute_unprepared(&create).await.unwrap();
}

async fn migrate(url: &str) {
    let variables = [("DATABASE_URL", url), ("JWT_SECRET_KEY", SECRET)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let loaded = config::load(&Variables::from(variables), Path::new("/"));
    let db = Db::connect(&loaded.unwrap().config.database).await.unwrap();
    db.migrate_up().await.unwrap();
    db.close().await.unwrap();
}

fn url_of(server_url: &str, name: &str) -> String {
    format!("{}/{name}", server_url.rsplit_once('/').unwrap().0)
}

fn unique_name(prefix: &str) -> String {
    let id = uuid::Uuid::from_bytes(gatelodge::testing::crypto::random());
    format!("{prefix}_{}", id.simple())
}
