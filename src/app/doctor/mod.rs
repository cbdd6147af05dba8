//! `gatelodge doctor`: looks at everything an installation depends on, changes nothing, and says
//! what is wrong and what to do about it.
//!
//! A check is a function that answers with [`Finding`]s; a new one is a file here and a line in
//! [`examine`]. Those that ask somebody else run at once, each within [`PATIENCE`].

mod dns;
mod files;
mod guessing;
mod mail;
mod settings;
mod stores;

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::CommandError;
use crate::config::Loaded;

/// How long a check waits for whoever it asks.
const PATIENCE: Duration = Duration::from_secs(5);

/// How well something is; the worst of all is the result of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// There is nothing to look at, or it cannot be known from here.
    Skipped,
    /// As it should be.
    Ok,
    /// It works, but is probably not meant, or will not work for everybody.
    Warning,
    /// It does not work.
    Failed,
}

impl State {
    /// The exit code of `gatelodge doctor`: 0, with warnings 1, with failures 2.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Skipped | Self::Ok => 0,
            Self::Warning => 1,
            Self::Failed => 2,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// What a check found. Holds no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    /// What is the case.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn skipped(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, State::Skipped, found.into(), None)
    }

    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, State::Ok, found.into(), None)
    }

    fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(check, State::Warning, found.into(), Some(advice.into()))
    }

    fn failed(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(check, State::Failed, found.into(), Some(advice.into()))
    }

    fn new(check: &'static str, state: State, found: String, advice: Option<String>) -> Self {
        Self {
            check,
            state,
            found,
            advice,
        }
    }
}

/// Examines the installation and prints what was found. The worst state of all.
pub async fn doctor(loaded: &Loaded, json: bool) -> Result<State, CommandError> {
    let findings = Box::pin(examine(loaded)).await;
    let worst = findings.iter().map(|finding| finding.state).max();
    let worst = worst.unwrap_or(State::Ok).max(State::Ok);
    let mut out = io::stdout().lock();
    if json {
        let report = serde_json::json!({ "state": worst, "findings": findings });
        writeln!(out, "{report:#}")?;
    } else {
        for finding in findings {
            let (state, check) = (finding.state.word(), finding.check);
            writeln!(out, "{state:<8} {check:<11} {}", finding.found)?;
            if let Some(advice) = finding.advice {
                writeln!(out, "{:20} → {advice}", "")?;
            }
        }
    }
    Ok(worst)
}

/// Every check, in the order of the report.
async fn examine(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = settings::check(loaded);
    findings.push(guessing::check(config));
    findings.extend(files::check(loaded));
    let (database, redis, mail, dns) = tokio::join!(
        within("database", stores::check_database(config)),
        within("redis", stores::check_redis(config)),
        within("mail", mail::check(config)),
        within("dns", dns::check(config)),
    );
    findings.extend([database, redis, mail, dns].into_iter().flatten());
    findings
}

async fn within(check: &'static str, look: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    tokio::time::timeout(PATIENCE, look)
        .await
        .unwrap_or_else(|_| {
            let found = format!("no answer within {} s", PATIENCE.as_secs());
            let advice =
                "See that it runs, and that nothing between here and there swallows packets.";
            vec![Finding::failed(check, found, advice)]
        })
}
