//! `gatelodge seed`

use anyhow::ensure;

use super::{print, print_json, table};
use crate::app::assemble;
use crate::config::{Config, Environment};
use crate::domain::clock::Clock;

/// Adds accounts and teams that are missing, and prints how to sign in.
pub(super) async fn run(config: &Config, json: bool) -> anyhow::Result<()> {
    ensure!(
        config.app.environment == Environment::Development,
        "APP_ENV is production, which must have no accounts with a published password"
    );
    let core = assemble(config, Clock::default()).await?;
    let seeded = core.services.operator().seed().await;
    core.db.close().await?;
    let seeded = seeded?;
    if json {
        return print_json(&serde_json::json!({ "accounts": seeded }));
    }
    let rows = seeded.into_iter().map(|account| {
        let state = if account.is_new { "new" } else { "exists" };
        let role = if account.is_superuser {
            ", superuser"
        } else {
            ""
        };
        [
            state.to_owned(),
            account.email.to_owned(),
            format!("password {}", account.password.unwrap_or("unchanged")),
            format!("{}{role}", account.teams.join(", ")),
        ]
    });
    Ok(print(table(&rows.collect::<Vec<_>>()))?)
}
