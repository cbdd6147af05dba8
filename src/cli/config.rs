//! `gatelodge config`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{EXIT_CONFIG, JsonOption, print, print_json};
use crate::config::{self, Config, Loaded, Problems};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Check all settings and print them, without secrets
    Check(JsonOption),
    /// Print an example file of all settings
    Example,
    /// Print a page of documentation about all settings
    Reference,
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(options) => return check(Config::from_process_env(), options.json),
        Command::Example => print(config::env_example().trim_end())?,
        Command::Reference => print(config::configuration_markdown().trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the settings, or what is wrong with them.
pub(super) fn check(loaded: Result<Loaded, Problems>, json: bool) -> anyhow::Result<ExitCode> {
    let Loaded {
        effective,
        warnings,
        notes,
        ..
    } = match loaded {
        Ok(loaded) => loaded,
        Err(problems) if json => {
            print_json(&json!({ "ok": false, "problems": problems.0 }))?;
            return Ok(EXIT_CONFIG.into());
        }
        Err(problems) => return Err(problems.into()),
    };
    if json {
        print_json(&json!({
            "ok": true,
            "settings": effective,
            "warnings": warnings,
            "notes": notes,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for setting in effective {
        let origin = if setting.set { "" } else { "  (default)" };
        let value = setting.value.as_deref().unwrap_or("none");
        print(format_args!("{} = {value}{origin}", setting.name))?;
    }
    for warning in warnings {
        print(format_args!("warning: {warning}"))?;
    }
    for note in notes {
        print(format_args!("note: {note}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
