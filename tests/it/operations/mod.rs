//! What operators use: commands, health checks, metrics and traces.

mod cli;
mod doctor;
mod health;
mod metrics;
mod otlp;
mod processes;
mod seed;
mod users;
