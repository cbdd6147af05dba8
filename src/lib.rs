//! Gatelodge: accounts and teams behind one GraphQL endpoint.
//!
//! The noun of a thing gives the file, the kind of its lines gives the module: the SQL for
//! sessions is in `db`, what a refresh token means is in `domain`, what happens when one is
//! presented is in `service`.
//!
//! A module imports from lower layers only, and only what this table says:
//!
//! | layer | module | may import |
//! |---|---|---|
//! | 0 | `domain` | nothing |
//! | 0 | `config` | `domain` |
//! | 0 | `telemetry` | `domain`, `config` |
//! | 1 | `db` | `domain`, `config`, `telemetry` |
//! | 1 | `cache` | `domain`, `config`, `telemetry` |
//! | 1 | `limits` | `domain`, `config`, `telemetry` |
//! | 1 | `crypto` | `domain`, `config`, `telemetry` |
//! | 1 | `queue` | `domain`, `config`, `telemetry` |
//! | 1 | `mail` | `domain`, `config`, `telemetry` |
//! | 2 | `service` | `domain`, `config`, `telemetry`, `db`, `cache`, `limits`, `crypto`, `queue` |
//! | 3 | `graphql` | `domain`, `config`, `telemetry`, `service` |
//! | 3 | `worker` | `domain`, `config`, `telemetry`, `service`, `queue`, `mail` |
//! | 4 | `http` | `domain`, `config`, `telemetry`, `service`, `graphql` |
//! | 5 | `app` | `domain`, `config`, `telemetry`, `db`, `cache`, `limits`, `crypto`, `queue`, `mail`, `service`, `graphql`, `worker`, `http` |
//! | 5 | `testing` | `domain`, `config`, `telemetry`, `db`, `cache`, `limits`, `crypto`, `queue`, `mail`, `service`, `graphql`, `worker`, `http`, `app` |
//! | 5 | `cli` | `domain`, `config`, `telemetry`, `db`, `cache`, `crypto`, `queue`, `mail`, `service`, `graphql`, `http`, `app` |
//! | 5 | `main` | `cli` |
//!
//! `service` does not see `mail`: a request never sends mail, it writes what is to be sent into
//! the outbox. Some external crates are fenced in as well, so that the rest does not depend on
//! them:
//!
//! | crate | named in |
//! |---|---|
//! | `migration` | `db` |
//! | `sea_orm` | `db` |
//! | `sqlx` | `db` |
//! | `redis` | `cache`, `limits`, `queue` |
//! | `apalis` | `queue`, `worker` |
//! | `apalis_core` | `queue`, `worker` |
//! | `apalis_redis` | `queue`, `worker` |
//! | `lettre` | `mail` |
//! | `minijinja` | `mail` |
//! | `reqwest` | `mail`, `cli` |
//! | `async_graphql` | `graphql`, `http` |
//! | `prometheus_client` | `telemetry` |
//! | `opentelemetry` | `telemetry` |
//! | `opentelemetry_otlp` | `telemetry` |
//! | `opentelemetry_sdk` | `telemetry` |
//! | `tracing_opentelemetry` | `telemetry` |
//! | `poem` | `http` |
//! | `hickory_resolver` | `cli` |
//! | `hyper` | `http` |
//! | `hyper_util` | `http` |
//! | `tokio_rustls` | `http` |
//! | `ipnet` | `config`, `http` |
//! | `clap` | `cli` |
//!
//! A test reads the sources and holds both tables.

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

// Selects the Unicode tables of `idna`: see Cargo.toml.
use idna_adapter as _;

mod app;
mod cache;
pub mod cli;
mod config;
mod crypto;
mod db;
mod domain;
mod graphql;
mod http;
mod limits;
mod mail;
mod queue;
mod service;
mod telemetry;
#[doc(hidden)]
pub mod testing;
mod worker;
