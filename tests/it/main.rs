//! Integration tests: one binary, one folder per topic.

#![cfg(test)]

mod accounts;
mod codes;
mod database;
mod faults;
mod graphql;
mod http;
mod limits;
mod mail;
mod operations;
mod passwords;
mod project;
mod sessions;
mod support;
mod teams;
