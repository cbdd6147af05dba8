//! `gatelodge healthcheck`

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::StatusCode;

use super::local_address;
use crate::config::Config;

const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(clap::Args)]
pub(super) struct Options {
    /// Check a worker, which responds at `METRICS_PORT` only
    #[arg(long)]
    worker: bool,
}

/// Succeeds while the process responds. A degraded one does: a restart would not repair it.
pub(super) async fn run(config: &Config, options: &Options) -> anyhow::Result<()> {
    let address = if options.worker {
        config
            .metrics
            .context("a worker can only be checked if METRICS_PORT is set")?
    } else {
        SocketAddr::new(config.http.host, config.http.port)
    };
    let address = SocketAddr::new(local_address(address.ip()), address.port());
    let scheme = match config.http.tls {
        Some(_) if !options.worker => "https",
        _ => "http",
    };
    // The certificate is not valid for the IP address that is asked here.
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .timeout(TIMEOUT)
        .build()?;
    let request = client.get(format!("{scheme}://{address}/healthz"));
    let response = request
        .send()
        .await
        .context("the server does not respond")?;
    let status = response.status();
    ensure!(
        status == StatusCode::OK,
        "the server is unhealthy: {status}"
    );
    Ok(())
}
