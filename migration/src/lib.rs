//! Schema migrations: the same files for SQLite and PostgreSQL.
//!
//! A migration that has been released is never changed. New ones keep the running version
//! working, so that processes can be replaced one after another.

use sea_orm_migration::prelude::*;
pub use sea_orm_migration::{Migration, MigrationStatus, MigratorTrait};

mod m20261121_000001_accounts;
mod m20261121_000002_outbox;
mod m20261121_000003_teams;
mod m20261122_000004_mail_attempts;
mod m20261122_000005_leases;
mod m20261122_000006_worker_heartbeats;
mod m20261127_000007_credentials;

/// All migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_accounts::Migration),
            Box::new(m20261121_000002_outbox::Migration),
            Box::new(m20261121_000003_teams::Migration),
            Box::new(m20261122_000004_mail_attempts::Migration),
            Box::new(m20261122_000005_leases::Migration),
            Box::new(m20261122_000006_worker_heartbeats::Migration),
            Box::new(m20261127_000007_credentials::Migration),
        ]
    }
}
