//! `gatelodge mail`

mod outbox;
mod preview;
mod test;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Subcommand};
use strum::VariantArray;

use crate::app::assemble;
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::mail::MailState;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List mails, the newest first
    List {
        /// Only mails in this state
        #[arg(long, value_parser = states())]
        state: Option<MailState>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a mail and every attempt to send it
    Show {
        /// The id, as in `mail list`
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a dead or waiting mail due now, with all its attempts again
    #[command(group = ArgGroup::new("which").args(["id", "dead"]).required(true))]
    Retry {
        /// The id, as in `mail list`
        id: Option<String>,
        /// Every dead mail whose code or link still works
        #[arg(long)]
        dead: bool,
    },
    /// Send a test mail through each provider now, and explain what fails
    Test {
        /// The email address to send it to
        address: String,
    },
    /// Print a kind of mail, rendered with sample data
    Preview(preview::Options),
}

fn states() -> impl TypedValueParser<Value = MailState> {
    let names = MailState::VARIANTS.iter().map(|state| state.name());
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Preview(options) => return preview::run(config, &options),
        Command::Test { address } => return test::run(config, &address).await,
        _ => {}
    }
    let core = assemble(config, Clock::default()).await?;
    let services = &core.services;
    let done = match command {
        Command::List { state, limit, json } => outbox::list(services, state, limit, json).await,
        Command::Show { id, json } => outbox::show(services, &id, json).await,
        Command::Retry { id: Some(id), .. } => outbox::retry(services, &id).await,
        _ => outbox::retry_dead(services).await,
    };
    core.db.close().await?;
    done
}
