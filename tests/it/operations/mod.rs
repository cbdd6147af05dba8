//! Commands, health checks, metrics, traces and processes.

mod cli;
mod doctor;
mod health;
mod metrics;
mod otlp;
mod processes;
mod seed;
mod users;
