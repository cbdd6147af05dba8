//! A process from its first line in the log to its last.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::greeting::greet;
use super::{App, Role, StartError};
use crate::config::Loaded;
use crate::crypto;
use crate::telemetry::{self, event};

/// Runs until SIGTERM or SIGINT.
pub async fn run(loaded: Loaded, role: Role) -> Result<(), StartError> {
    let config = &loaded.config;
    // Kept until the end: what is logged last is written when it goes.
    let _telemetry = telemetry::init(&config.log, crypto::log_hash_key(&config.tokens))?;
    announce(&loaded);
    let stop = CancellationToken::new();
    let signals = stop.clone();
    tokio::spawn(async move {
        let _ = stop_signal().await;
        signals.cancel();
    });
    let app = match Box::pin(App::build(config.clone(), role)).await {
        Ok(app) => app,
        Err(error) => {
            event::emit(event::StartFailed { error: &error });
            return Err(error);
        }
    };
    greet(config, app.port());
    Box::pin(app.run_until(stop)).await;
    Ok(())
}

/// Tells the log what is to be said about the settings.
fn announce(loaded: &Loaded) {
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
