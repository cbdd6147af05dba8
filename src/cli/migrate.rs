//! `gatelodge migrate`

use clap::Subcommand;

use super::{JsonOption, print, print_json, table};
use crate::config::Config;
use crate::db::Db;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Apply all pending migrations
    Up,
    /// Revert the last migrations; the data in their tables is deleted
    Down {
        /// How many
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// List all migrations, and whether they are applied
    Status(JsonOption),
}

pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let db = Db::connect(&config.database).await?;
    match command {
        Command::Up => db.migrate_up().await?,
        Command::Down { steps } => db.migrate_down(steps).await?,
        Command::Status(JsonOption { json }) => {
            let migrations = db.migration_status().await?;
            if json {
                print_json(&migrations)?;
            } else {
                let rows = migrations.into_iter().map(|migration| {
                    let state = if migration.applied {
                        "applied"
                    } else {
                        "pending"
                    };
                    [state.to_owned(), migration.name]
                });
                print(table(&rows.collect::<Vec<_>>()))?;
            }
        }
    }
    Ok(db.close().await?)
}
