//! Gatelodge: accounts and teams behind one GraphQL endpoint.

pub mod config;
pub mod db;
pub mod domain;
