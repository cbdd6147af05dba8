//! The command line: arguments only.

use std::error::Error;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, Parser, Subcommand};
use gatelodge::app::{self, AccountAction, App, CommandError, OutboxAction, PreviewPart, Role};
use gatelodge::config::{Config, Loaded};
use tokio_util::sync::CancellationToken;

/// The settings cannot be used (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIG: u8 = 78;

/// Accounts and teams behind one GraphQL endpoint.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
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
    /// Print the GraphQL schema
    Schema,
    /// Print the table of log events
    Events,
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask the server on this machine whether it is alive (for containers)
    Healthcheck,
}

#[derive(Args, Default)]
struct Serve {
    /// Leave sending mail to other processes
    #[arg(long)]
    no_worker: bool,
}

#[derive(Subcommand)]
enum Migrate {
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
enum User {
    /// Make an account whose address needs no proof; it logs in by code
    Create {
        email: String,
        /// The display name
        #[arg(long)]
        name: String,
    },
    /// Make an account a superuser; its sessions end
    Promote { email: String },
    /// Make a superuser an ordinary account again; its sessions end
    Demote { email: String },
    /// Disable an account; its sessions end at once
    Disable { email: String },
    /// Enable a disabled account
    Enable { email: String },
}

impl From<User> for AccountAction {
    fn from(command: User) -> Self {
        match command {
            User::Create { email, name } => Self::Create { email, name },
            User::Promote { email } => Self::SetSuperuser {
                email,
                is_superuser: true,
            },
            User::Demote { email } => Self::SetSuperuser {
                email,
                is_superuser: false,
            },
            User::Disable { email } => Self::SetActive {
                email,
                is_active: false,
            },
            User::Enable { email } => Self::SetActive {
                email,
                is_active: true,
            },
        }
    }
}

#[derive(Subcommand)]
enum Mail {
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
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a dead or waiting mail due now, with all its tries before it
    #[command(group = ArgGroup::new("which").args(["id", "dead"]).required(true))]
    Retry {
        id: Option<String>,
        /// Every dead mail that is still worth sending
        #[arg(long)]
        dead: bool,
    },
    /// Send a test mail through each provider now, and explain what goes wrong
    Test { address: String },
    /// Print a kind of mail, rendered with samples
    Preview {
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
enum ConfigCommand {
    /// Check all settings and print them, secrets hidden
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print an example file of all settings
    Example,
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse()
        .command
        .unwrap_or(Command::Serve(Serve::default()));
    match command {
        Command::Schema => exit(app::print_schema()),
        Command::Events => exit(app::print_events()),
        Command::Config(ConfigCommand::Example) => exit(app::config_example()),
        Command::Config(ConfigCommand::Check { json }) => {
            let loaded = Config::from_process_env();
            match app::config_check(&loaded, json) {
                Ok(()) if loaded.is_err() => EXIT_CONFIG.into(),
                printed => exit(printed),
            }
        }
        command => match Config::from_process_env() {
            Ok(loaded) => run(command, loaded).await,
            Err(problems) => {
                eprintln!("{problems}");
                EXIT_CONFIG.into()
            }
        },
    }
}

/// Runs a command that needs the settings.
async fn run(command: Command, loaded: Loaded) -> ExitCode {
    match command {
        Command::Migrate(Migrate::Up) => exit(app::migrate_up(&loaded.config).await),
        Command::Migrate(Migrate::Down { steps }) => {
            exit(app::migrate_down(&loaded.config, steps).await)
        }
        Command::Migrate(Migrate::Status { json }) => {
            exit(app::migration_status(&loaded.config, json).await)
        }
        Command::User(command) => exit(app::account(loaded.config, command.into()).await),
        Command::Mail(command) => exit(mail(command, loaded).await),
        Command::Healthcheck => exit(app::healthcheck(&loaded.config).await),
        Command::Worker => start(loaded, Role::Work).await,
        Command::Serve(Serve { no_worker: true }) => start(loaded, Role::Serve).await,
        Command::Serve(_) | Command::Schema | Command::Events | Command::Config(_) => {
            start(loaded, Role::ServeAndWork).await
        }
    }
}

/// Runs a command on mails.
async fn mail(command: Mail, loaded: Loaded) -> Result<(), CommandError> {
    let action = match command {
        Mail::Test { address } => return app::test_mail(&loaded.config, &address).await,
        Mail::Preview { kind, html, text } => {
            let part = match (html, text) {
                (true, _) => PreviewPart::Html,
                (false, true) => PreviewPart::Text,
                (false, false) => PreviewPart::SubjectAndText,
            };
            return app::preview_mail(&loaded.config, &kind, part);
        }
        Mail::List { state, limit, json } => OutboxAction::List { state, limit, json },
        Mail::Show { id, json } => OutboxAction::Show { id, json },
        Mail::Retry { id, .. } => match id {
            Some(id) => OutboxAction::Retry { id },
            None => OutboxAction::RetryDead,
        },
    };
    app::outbox(loaded.config, action).await
}

/// Runs until SIGTERM or SIGINT.
async fn start(loaded: Loaded, role: Role) -> ExitCode {
    let _telemetry = match app::init_telemetry(&loaded.config) {
        Ok(guard) => guard,
        Err(error) => return exit(Err(error)),
    };
    app::announce(&loaded);
    let stop = CancellationToken::new();
    let signals = stop.clone();
    tokio::spawn(async move {
        let _ = app::stop_signal().await;
        signals.cancel();
    });
    match App::build(loaded.config, role).await {
        Ok(app) => exit(app.run_until(stop).await),
        Err(error) => {
            app::report_failed_start(&error);
            exit(Err(error))
        }
    }
}

/// Says on standard error what went wrong, with all its causes.
fn exit<E: Error>(done: Result<(), E>) -> ExitCode {
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}
