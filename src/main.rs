//! The command line: arguments only.

use std::error::Error;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use gatelodge::app::{self, AccountAction, App, Role};
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
    /// Print the GraphQL schema
    Schema,
    /// Print the table of log events
    Events,
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask the process on this machine whether it is alive (for containers)
    Healthcheck(Healthcheck),
}

#[derive(Args, Default)]
struct Serve {
    /// Leave sending mail to other processes
    #[arg(long)]
    no_worker: bool,
}

#[derive(Args)]
struct Healthcheck {
    /// Ask at the listener for metrics: a worker has no other
    #[arg(long)]
    worker: bool,
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
        Command::Healthcheck(Healthcheck { worker }) => {
            exit(app::healthcheck(&loaded.config, worker).await)
        }
        Command::Worker => start(loaded, Role::Work).await,
        Command::Serve(Serve { no_worker: true }) => start(loaded, Role::Serve).await,
        Command::Serve(_) | Command::Schema | Command::Events | Command::Config(_) => {
            start(loaded, Role::ServeAndWork).await
        }
    }
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
