//! The binary: does what the arguments say.

mod arguments;

use std::error::Error;
use std::process::ExitCode;

use arguments::{Arguments, Command, ConfigCommand, Healthcheck, Mail, Migrate, Serve, User};
use clap::Parser;
use gatelodge::app::{self, AccountAction, CommandError, OutboxAction, PreviewPart, Role};
use gatelodge::config::{Config, Loaded, Problems};

/// The settings cannot be used (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIG: u8 = 78;

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse()
        .command
        .unwrap_or(Command::Serve(Serve::default()));
    Box::pin(run(command)).await.unwrap_or_else(|problems| {
        eprintln!("{problems}");
        EXIT_CONFIG.into()
    })
}

/// Runs a command; fails if it needs settings and they cannot be used.
async fn run(command: Command) -> Result<ExitCode, Problems> {
    let load = Config::from_process_env;
    Ok(match command {
        Command::Serve(Serve { no_worker }) => {
            let role = if no_worker {
                Role::Serve
            } else {
                Role::ServeAndWork
            };
            exit(app::run(load()?, role).await)
        }
        Command::Worker => exit(app::run(load()?, Role::Work).await),
        Command::Migrate(command) => exit(migrate(&load()?.config, command).await),
        Command::User(command) => exit(user(load()?.config, command).await),
        Command::Mail(command) => exit(mail(load()?.config, command).await),
        Command::Seed { json } => exit(app::seed(&load()?.config, json).await),
        Command::Schema { markdown } => exit(app::print_schema(markdown)),
        Command::Events => exit(app::print_events()),
        Command::Config(ConfigCommand::Example) => exit(app::config_example()),
        Command::Config(ConfigCommand::Reference) => exit(app::config_reference()),
        Command::Config(ConfigCommand::Check { json }) => config_check(&load(), json),
        Command::Doctor { json } => match load() {
            Ok(loaded) => match app::doctor(&loaded, json).await {
                Ok(state) => state.exit_code().into(),
                Err(error) => exit(Err(error)),
            },
            refused => config_check(&refused, json),
        },
        Command::Healthcheck(Healthcheck { worker }) => {
            exit(app::healthcheck(&load()?.config, worker).await)
        }
    })
}

/// Prints the settings, or what is wrong with them.
fn config_check(loaded: &Result<Loaded, Problems>, json: bool) -> ExitCode {
    match app::config_check(loaded, json) {
        Ok(()) if loaded.is_err() => EXIT_CONFIG.into(),
        printed => exit(printed),
    }
}

async fn migrate(config: &Config, command: Migrate) -> Result<(), CommandError> {
    match command {
        Migrate::Up => app::migrate_up(config).await,
        Migrate::Down { steps } => app::migrate_down(config, steps).await,
        Migrate::Status { json } => app::migration_status(config, json).await,
    }
}

async fn user(config: Config, command: User) -> Result<(), CommandError> {
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
            return app::export(config, &email, output.as_deref()).await;
        }
    };
    app::account(config, action).await
}

async fn mail(config: Config, command: Mail) -> Result<(), CommandError> {
    let action = match command {
        Mail::Test { address } => return app::test_mail(&config, &address).await,
        Mail::Preview { kind, html, text } => {
            let part = match (html, text) {
                (true, _) => PreviewPart::Html,
                (false, true) => PreviewPart::Text,
                (false, false) => PreviewPart::SubjectAndText,
            };
            return app::preview_mail(&config, &kind, part);
        }
        Mail::List { state, limit, json } => OutboxAction::List { state, limit, json },
        Mail::Show { id, json } => OutboxAction::Show { id, json },
        Mail::Retry { id: Some(id), .. } => OutboxAction::Retry { id },
        Mail::Retry { id: None, .. } => OutboxAction::RetryDead,
    };
    app::outbox(config, action).await
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
