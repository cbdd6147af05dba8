//! `gatelodge user`: what an operator does about accounts.

use std::io::{self, Write};

use super::{CommandError, assemble};
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::service::Failure;

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
    /// Let it see and do everything, or not.
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
    let done = match action {
        AccountAction::Create { email, name } => services.create_account(&email, &name).await,
        AccountAction::SetSuperuser {
            email,
            is_superuser,
        } => services.set_superuser(&email, is_superuser).await,
        AccountAction::SetActive { email, is_active } => {
            services.set_active(&email, is_active).await
        }
    };
    core.db.close().await?;
    match done {
        Ok(user) => {
            let account = serde_json::json!({
                "id": user.id,
                "email": user.email.as_str(),
                "name": user.profile.name,
                "isActive": user.is_active,
                "isSuperuser": user.is_superuser,
            });
            Ok(writeln!(io::stdout(), "{account:#}")?)
        }
        Err(Failure::Internal(error)) => Err(error.into()),
        Err(Failure::Refused(errors)) => {
            let texts: Vec<_> = errors
                .iter()
                .map(|error| error.reason.to_string())
                .collect();
            Err(CommandError::Refused(texts.join(" ")))
        }
    }
}
