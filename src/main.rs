//! The command line: arguments only.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, Parser, Subcommand};
use gatelodge::app::{self, AccountAction, App, CommandError, OutboxAction, PreviewPart, Role};
use gatelodge::config::{Config, Loaded, Problems};
use tokio_util::sync::CancellationToken;

/// The settings cannot be used (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIG: u8 = 78;

/// Accounts and teams behind one GraphQL endpoint.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Every setting is an environment variable: `gatelodge config reference` lists them."
)]
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

/// Does something about an account.
async fn user(config: Config, command: User) -> ExitCode {
    let action = match command {
        User::Create { email, name } => AccountAction::Create { email, name },
        User::Promote { email } => AccountAction::SetSuperuser {
            email,
            is_superuser: true,
        },
        User::Demote { email } => AccountAction::SetSuperuser {
            email,
            is_superuser: false,
        },
        User::Disable { email } => AccountAction::SetActive {
            email,
            is_active: false,
        },
        User::Enable { email } => AccountAction::SetActive {
            email,
            is_active: true,
        },
        User::Export { email, output } => {
            return exit(app::export(config, &email, output.as_deref()).await);
        }
    };
    exit(app::account(config, action).await)
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
enum ConfigCommand {
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

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse()
        .command
        .unwrap_or(Command::Serve(Serve::default()));
    match command {
        Command::Schema { markdown } => exit(app::print_schema(markdown)),
        Command::Events => exit(app::print_events()),
        Command::Config(ConfigCommand::Example) => exit(app::config_example()),
        Command::Config(ConfigCommand::Reference) => exit(app::config_reference()),
        Command::Config(ConfigCommand::Check { json }) => {
            config_check(&Config::from_process_env(), json)
        }
        Command::Doctor { json } => match Config::from_process_env() {
            Ok(loaded) => match app::doctor(&loaded, json).await {
                Ok(state) => state.exit_code().into(),
                Err(error) => exit(Err(error)),
            },
            refused => config_check(&refused, json),
        },
        command => match Config::from_process_env() {
            Ok(loaded) => Box::pin(run(command, loaded)).await,
            Err(problems) => {
                eprintln!("{problems}");
                EXIT_CONFIG.into()
            }
        },
    }
}

/// Prints the settings, or what is wrong with them.
fn config_check(loaded: &Result<Loaded, Problems>, json: bool) -> ExitCode {
    match app::config_check(loaded, json) {
        Ok(()) if loaded.is_err() => EXIT_CONFIG.into(),
        printed => exit(printed),
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
        Command::User(command) => user(loaded.config, command).await,
        Command::Mail(command) => exit(mail(command, loaded).await),
        Command::Seed { json } => exit(app::seed(&loaded.config, json).await),
        Command::Healthcheck(Healthcheck { worker }) => {
            exit(app::healthcheck(&loaded.config, worker).await)
        }
        Command::Worker => start(loaded, Role::Work).await,
        Command::Serve(Serve { no_worker: true }) => start(loaded, Role::Serve).await,
        Command::Serve(_)
        | Command::Schema { .. }
        | Command::Events
        | Command::Config(_)
        | Command::Doctor { .. } => start(loaded, Role::ServeAndWork).await,
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
    match Box::pin(App::build(loaded.config.clone(), role)).await {
        Ok(app) => {
            app::greet(&loaded.config, app.port());
            Box::pin(app.run_until(stop)).await;
            ExitCode::SUCCESS
        }
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
