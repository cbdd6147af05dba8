//! `gatelodge seed`: somebody to try a development installation with.

use std::io::{self, Write};

use super::{CommandError, assemble};
use crate::config::{Config, Environment};
use crate::domain::clock::Clock;

/// Adds accounts and teams that are not there yet, and prints how to log in.
pub async fn seed(config: &Config, json: bool) -> Result<(), CommandError> {
    if config.app.environment == Environment::Production {
        let text = "APP_ENV is production: accounts with a published password have no place there";
        return Err(CommandError::refused(text));
    }
    let core = assemble(config, Clock::default()).await?;
    let seeded = core.services.seed(&core.services.operator_context()).await;
    core.db.close().await?;
    let seeded = seeded?;
    let mut out = io::stdout().lock();
    if json {
        let report = serde_json::json!({ "accounts": seeded });
        writeln!(out, "{report:#}")?;
        return Ok(());
    }
    for account in seeded {
        let state = if account.is_new { "new" } else { "there" };
        let superuser = if account.is_superuser {
            ", superuser"
        } else {
            ""
        };
        writeln!(
            out,
            "{state:<6} {:<20} password {:<18} {}{superuser}",
            account.email,
            account.password.unwrap_or("as it was"),
            account.teams.join(", "),
        )?;
    }
    Ok(())
}
