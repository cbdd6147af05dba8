//! `gatelodge user`

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;

use super::print_json;
use crate::app::assemble;
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::user::User;
use crate::service::{Failure, Services};

/// A command that takes longer says why.
const SLOW_AFTER: Duration = Duration::from_secs(3);

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create an account with a verified email address, which signs in by code
    Create {
        /// The email address
        email: String,
        /// The display name
        #[arg(long)]
        name: String,
    },
    /// Make an account a superuser, who is an admin of every team; its sessions end
    Promote {
        /// The email address, which must be verified
        email: String,
    },
    /// Make a superuser an ordinary account again; its sessions end
    Demote {
        /// The email address
        email: String,
    },
    /// Disable an account; its sessions end
    Disable {
        /// The email address
        email: String,
    },
    /// Enable a disabled account
    Enable {
        /// The email address
        email: String,
    },
    /// Write all data about an email address and its account as JSON, without secrets
    Export {
        /// The email address, with or without an account
        email: String,
        /// A new file that only its owner can read; without it, standard output
        #[arg(long)]
        output: Option<PathBuf>,
    },
}

pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let core = assemble(config, Clock::default()).await?;
    let done = perform(&core.services, command).await;
    core.db.close().await?;
    done
}

async fn perform(services: &Services, command: Command) -> anyhow::Result<()> {
    let operator = services.operator();
    match command {
        Command::Create { email, name } => change(operator.create_account(&email, &name)).await,
        Command::Promote { email } => change(operator.set_superuser(&email, true)).await,
        Command::Demote { email } => change(operator.set_superuser(&email, false)).await,
        Command::Disable { email } => change(operator.set_active(&email, false)).await,
        Command::Enable { email } => change(operator.set_active(&email, true)).await,
        Command::Export { email, output } => {
            let exported = operator.export(&email).await?;
            match output {
                None => print_json(&exported),
                Some(path) => {
                    let text = serde_json::to_string_pretty(&exported)?;
                    write_private(&path, &text).with_context(|| path.display().to_string())
                }
            }
        }
    }
}

/// Prints the changed account. On standard error it explains a change that takes long.
async fn change(change: impl Future<Output = Result<User, Failure>>) -> anyhow::Result<()> {
    let mut change = pin!(change);
    let changed = if let Ok(changed) = tokio::time::timeout(SLOW_AFTER, &mut change).await {
        changed
    } else {
        eprintln!(
            "still waiting: without Redis, this takes up to a minute, until no process can \
             accept a session that has ended"
        );
        change.await
    };
    let user = changed?;
    print_json(&json!({
        "id": user.id,
        "email": user.email.as_str(),
        "name": user.profile.name,
        "isActive": user.is_active,
        "isSuperuser": user.is_superuser,
    }))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    writeln!(options.open(path)?, "{text}")
}
