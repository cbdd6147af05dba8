//! `gatelodge user`: what an operator does about accounts.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use super::{CommandError, assemble};
use crate::config::Config;
use crate::domain::clock::Clock;

/// After this long the operator is told what takes so long.
const SILENCE: Duration = Duration::from_secs(3);

/// What is to be done about an account.
#[derive(Debug)]
pub enum AccountAction {
    /// Make one whose address needs no proof.
    Create {
        /// Its address.
        email: String,
        /// Its display name.
        name: String,
    },
    /// Let it count as an admin of every team, or not.
    SetSuperuser {
        /// Its address.
        email: String,
        /// Whether it may.
        is_superuser: bool,
    },
    /// Let it be used, or not.
    SetActive {
        /// Its address.
        email: String,
        /// Whether it may be used.
        is_active: bool,
    },
}

/// Does it, and prints the account as JSON.
pub async fn account(config: Config, action: AccountAction) -> Result<(), CommandError> {
    let core = assemble(&config, Clock::default()).await?;
    let services = &core.services;
    let ctx = services.operator_context();
    let done = told_of_waiting(async {
        match action {
            AccountAction::Create { email, name } => {
                services.create_account(&ctx, &email, &name).await
            }
            AccountAction::SetSuperuser {
                email,
                is_superuser,
            } => services.set_superuser(&ctx, &email, is_superuser).await,
            AccountAction::SetActive { email, is_active } => {
                services.set_active(&ctx, &email, is_active).await
            }
        }
    })
    .await;
    core.db.close().await?;
    let user = done?;
    let account = serde_json::json!({
        "id": user.id,
        "email": user.email.as_str(),
        "name": user.profile.name,
        "isActive": user.is_active,
        "isSuperuser": user.is_superuser,
    });
    Ok(writeln!(io::stdout(), "{account:#}")?)
}

/// Writes everything that is held about an address and its account as JSON: to a new file that
/// nobody else may read, or to standard output.
pub async fn export(
    config: Config,
    email: &str,
    output: Option<&Path>,
) -> Result<(), CommandError> {
    let core = assemble(&config, Clock::default()).await?;
    let exported = core
        .services
        .export(&core.services.operator_context(), email)
        .await;
    core.db.close().await?;
    let mut text = serde_json::to_vec_pretty(&exported?).map_err(io::Error::other)?;
    text.push(b'\n');
    let Some(path) = output else {
        return Ok(io::stdout().write_all(&text)?);
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(&text));
    written.map_err(|error| CommandError::refused(format!("{}: {error}", path.display())))
}

/// Does it, and says meanwhile on standard error why it may take a minute.
async fn told_of_waiting<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(SILENCE, &mut work).await {
        return done;
    }
    eprintln!(
        "still at it: if Redis is away, this waits for it for up to a minute, until no process can \
         take an ended session for a living one"
    );
    work.await
}
