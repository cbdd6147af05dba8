//! `gatelodge serve` and `gatelodge worker`

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::banner;
use crate::app::{App, Role};
use crate::config::Loaded;
use crate::crypto;
use crate::domain::clock::Clock;
use crate::telemetry::{self, event};

#[derive(clap::Args, Default)]
pub(super) struct Options {
    /// Leave sending mail to `gatelodge worker`
    #[arg(long)]
    no_worker: bool,
}

impl Options {
    pub(super) fn role(&self) -> Role {
        if self.no_worker {
            Role::Serve
        } else {
            Role::ServeAndWork
        }
    }
}

/// Runs until SIGTERM or SIGINT.
pub(super) async fn run(loaded: Loaded, role: Role) -> anyhow::Result<()> {
    let config = &loaded.config;
    // Dropped last, which writes the last lines.
    let _telemetry = telemetry::init(&config.log, crypto::log_hash_key(&config.tokens))?;
    log_settings(&loaded);
    let stop = CancellationToken::new();
    let signals = stop.clone();
    tokio::spawn(async move {
        let _ = stop_signal().await;
        signals.cancel();
    });
    let app = match Box::pin(App::build(config.clone(), role, Clock::default())).await {
        Ok(app) => app,
        Err(error) => {
            event::emit(event::StartFailed {
                error: error.as_ref(),
            });
            return Err(error);
        }
    };
    banner::print(config, app.port());
    Box::pin(app.run_until(stop)).await;
    Ok(())
}

fn log_settings(loaded: &Loaded) {
    for note in &loaded.notes {
        event::emit(event::ConfigNote { detail: note });
    }
    for warning in &loaded.warnings {
        event::emit(event::ConfigWarning { detail: warning });
    }
}

async fn stop_signal() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}
