//! `gatelodge doctor`: checks everything an installation depends on, without changing it, and says
//! how to fix what is wrong.
//!
//! A check is a function that returns [`Finding`]s; a new one is a file here and a line in
//! [`examine`]. Checks that use the network run concurrently, each within [`TIMEOUT`].

mod brute_force;
mod dns;
mod files;
mod mail;
mod settings;
mod stores;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use strum::IntoStaticStr;

use super::{print, print_json};
use crate::config::Loaded;
use crate::telemetry::with_sources;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Ordered: the worst one is the result of the whole.
#[derive(Clone, Copy, Debug, IntoStaticStr, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
enum FindingState {
    /// Not applicable, or cannot be checked from here.
    Skipped,
    Ok,
    /// It works, but is probably a mistake, or does not work for everybody.
    Warning,
    Failed,
}

/// What a check found. Contains no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    state: FindingState,
    found: String,
    /// How to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            state: FindingState::Ok,
            found: found.into(),
            advice: None,
        }
    }

    fn skipped(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            state: FindingState::Skipped,
            ..Self::ok(check, found)
        }
    }

    fn error(
        check: &'static str,
        error: &(dyn Error + 'static),
        advice: impl Into<String>,
    ) -> Self {
        Self::ok(check, with_sources(error)).failed(advice)
    }

    fn warning(self, advice: impl Into<String>) -> Self {
        Self {
            state: FindingState::Warning,
            advice: Some(advice.into()),
            ..self
        }
    }

    fn failed(self, advice: impl Into<String>) -> Self {
        Self {
            state: FindingState::Failed,
            ..self.warning(advice)
        }
    }

    fn warning_if(self, condition: bool, advice: &str) -> Self {
        if condition {
            self.warning(advice)
        } else {
            self
        }
    }
}

/// Prints what was found. The exit code is 0, 1 with warnings, or 2 with failures.
pub(super) async fn run(loaded: &Loaded, json: bool) -> anyhow::Result<ExitCode> {
    let findings = Box::pin(examine(loaded)).await;
    let worst = findings.iter().map(|finding| finding.state).max();
    let worst = worst.unwrap_or(FindingState::Ok).max(FindingState::Ok);
    if json {
        print_json(&serde_json::json!({ "state": worst, "findings": findings }))?;
    } else {
        for finding in findings {
            let state: &str = finding.state.into();
            print(format_args!(
                "{state:<8} {:<11} {}",
                finding.check, finding.found
            ))?;
            if let Some(advice) = finding.advice {
                print(format_args!("{:20} → {advice}", ""))?;
            }
        }
    }
    Ok(match worst {
        FindingState::Skipped | FindingState::Ok => ExitCode::SUCCESS,
        FindingState::Warning => ExitCode::from(1),
        FindingState::Failed => ExitCode::from(2),
    })
}

/// Runs all checks, in the order of the report.
async fn examine(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = settings::check(loaded);
    findings.push(brute_force::check(config));
    findings.extend(files::check(loaded));
    let (database, redis, mail, dns) = tokio::join!(
        within_timeout("database", stores::check_database(config)),
        within_timeout("redis", stores::check_redis(config)),
        within_timeout("mail", mail::check(config)),
        within_timeout("dns", dns::check(config)),
    );
    findings.extend([database, redis, mail, dns].into_iter().flatten());
    findings
}

async fn within_timeout(
    check: &'static str,
    checking: impl Future<Output = Vec<Finding>>,
) -> Vec<Finding> {
    tokio::time::timeout(TIMEOUT, checking)
        .await
        .unwrap_or_else(|_| {
            let found = format!("no answer within {} s", TIMEOUT.as_secs());
            let advice = "Check that it is running, and that no firewall drops the packets.";
            vec![Finding::ok(check, found).failed(advice)]
        })
}
