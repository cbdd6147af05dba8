//! Gatelodge: accounts and teams behind one GraphQL endpoint.

pub mod cache;
pub mod config;
pub mod crypto;
pub mod db;
pub mod domain;
pub mod limits;
