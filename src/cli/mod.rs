//! The command line: one file per command, its options and what it does side by side.

mod banner;
mod config;
mod doctor;
mod healthcheck;
mod mail;
mod migrate;
mod seed;
mod serve;
mod user;

use std::fmt::Display;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::config::{Config, Problems};
use crate::{graphql, telemetry};

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
    /// Answer requests and send mail (the default command)
    Serve(serve::Options),
    /// Send mail only
    Worker,
    /// Apply, revert or list the migrations of the database
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Create and manage accounts
    #[command(subcommand)]
    User(user::Command),
    /// List and retry mails, and test how mail is sent
    #[command(subcommand)]
    Mail(mail::Command),
    /// Add a few accounts and teams to a development database; running it again adds what is missing
    Seed(JsonOption),
    /// Print the GraphQL schema
    Schema,
    /// Print the table of log events
    Events,
    /// Check and explain the settings
    #[command(subcommand)]
    Config(config::Command),
    /// Check everything the installation depends on, and say how to fix what is wrong
    ///
    /// Exit code: 0 everything works, 1 there are warnings, 2 something does not work,
    /// 78 the settings cannot be used.
    Doctor(JsonOption),
    /// Check whether the process on this machine responds (for containers)
    Healthcheck(healthcheck::Options),
}

#[derive(clap::Args)]
struct JsonOption {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command of the process's arguments, and reports its errors on standard error.
pub async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let command = command.unwrap_or(Command::Serve(serve::Options::default()));
    Box::pin(run(command)).await.unwrap_or_else(|error| {
        if error.is::<Problems>() {
            eprintln!("{error}");
            return EXIT_CONFIG.into();
        }
        eprintln!("error: {error}");
        for cause in error.chain().skip(1) {
            eprintln!("  caused by: {cause}");
        }
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let load = Config::from_process_env;
    match command {
        Command::Serve(options) => serve::run(load()?, options.role()).await?,
        Command::Worker => serve::run(load()?, crate::app::Role::Work).await?,
        Command::Migrate(command) => migrate::run(&load()?.config, command).await?,
        Command::User(command) => user::run(&load()?.config, command).await?,
        Command::Mail(command) => mail::run(&load()?.config, command).await?,
        Command::Seed(options) => seed::run(&load()?.config, options.json).await?,
        Command::Schema => print(graphql::sdl().trim_end())?,
        Command::Events => print(telemetry::event_table_markdown().trim_end())?,
        Command::Config(command) => return config::run(&command),
        Command::Doctor(options) => match load() {
            Ok(loaded) => return doctor::run(&loaded, options.json).await,
            refused => return config::check(refused, options.json),
        },
        Command::Healthcheck(options) => healthcheck::run(&load()?.config, &options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(print(serde_json::to_string_pretty(value)?)?)
}

/// Lines of left-aligned columns.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths);
        let cells = cells.map(|(cell, width)| format!("{cell:width$}  "));
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The address at which this machine reaches its own listener.
fn local_address(listener: IpAddr) -> IpAddr {
    match listener {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    }
}
