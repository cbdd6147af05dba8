//! The binary: runs the command line.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    gatelodge::cli::main().await
}
