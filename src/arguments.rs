//! The command line: what can be said there.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, Parser, Subcommand};
use gatelodge::app;

/// Accounts and teams behind one GraphQL endpoint.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Every setting is an environment variable: `gatelodge config reference` lists them."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Answer requests and send mail (what happens without a command)
    Serve(Serve),
    /// Send mail only
    Worker,
    /// Bring the database's schema up to date, or back
    #[command(subcommand)]
    Migrate(Migrate),
    /// Make and manage accounts
    #[command(subcommand)]
    User(User),
    /// Look at mails, try them again, and test how mail is sent
    #[command(subcommand)]
    Mail(Mail),
    /// Fill a development database with a few accounts and teams; repeated, it adds what is missing
    Seed {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the GraphQL schema
    Schema {
        /// Print it as a page to read
        #[arg(long)]
        markdown: bool,
    },
    /// Print the table of log events
    Events,
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at everything the installation depends on, and say what to do about what is wrong
    ///
    /// Exit code: 0 all is well, 1 something is to be looked at, 2 something does not work,
    /// 78 the settings cannot be used.
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask the process on this machine whether it is alive (for containers)
    Healthcheck(Healthcheck),
}

#[derive(Args, Default)]
pub(crate) struct Serve {
    /// Leave sending mail to other processes
    #[arg(long)]
    pub(crate) no_worker: bool,
}

#[derive(Args)]
pub(crate) struct Healthcheck {
    /// Ask at the listener for metrics: a worker has no other
    #[arg(long)]
    pub(crate) worker: bool,
}

#[derive(Subcommand)]
pub(crate) enum Migrate {
    /// Apply all that is missing
    Up,
    /// Take back the last migrations, and the data of their tables with them
    Down {
        /// How many
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// List all, and whether they were applied
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum User {
    /// Make an account whose address needs no proof; it logs in by code
    Create {
        /// The address it logs in with
        email: String,
        /// The display name
        #[arg(long)]
        name: String,
    },
    /// Make an account a superuser, an admin of every team; its sessions end
    Promote {
        /// Its address, which must be proved
        email: String,
    },
    /// Make a superuser an ordinary account again; its sessions end
    Demote {
        /// Its address
        email: String,
    },
    /// Disable an account; its sessions end at once
    Disable {
        /// Its address
        email: String,
    },
    /// Enable a disabled account
    Enable {
        /// Its address
        email: String,
    },
    /// Write everything that is held about an address and its account as JSON, without secrets
    Export {
        /// The address, with or without an account
        email: String,
        /// A new file to write to, which nobody else may read; without it, standard output
        #[arg(long)]
        output: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(crate) enum Mail {
    /// List mails, the newest first
    List {
        /// Only those in this state
        #[arg(long, value_parser = PossibleValuesParser::new(app::mail_states()))]
        state: Option<String>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a mail and every try to send it
    Show {
        /// As `mail list` shows it
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a dead or waiting mail due now, with all its tries before it
    #[command(group = ArgGroup::new("which").args(["id", "dead"]).required(true))]
    Retry {
        /// As `mail list` shows it
        id: Option<String>,
        /// Every dead mail that is still worth sending
        #[arg(long)]
        dead: bool,
    },
    /// Send a test mail through each provider now, and explain what goes wrong
    Test {
        /// Where to
        address: String,
    },
    /// Print a kind of mail, rendered with samples
    Preview {
        /// Which
        #[arg(value_parser = PossibleValuesParser::new(app::mail_kinds()))]
        kind: String,
        /// The HTML alone
        #[arg(long, conflicts_with = "text")]
        html: bool,
        /// The plain text alone
        #[arg(long)]
        text: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check all settings and print them, secrets hidden
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print an example file of all settings
    Example,
    /// Print all settings as a page to read
    Reference,
}
