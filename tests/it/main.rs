//! Integration tests: one binary, one file per noun.

#![cfg(test)]

mod cache;
mod code_login;
mod code_races;
mod code_signup;
mod codes;
mod database;
mod forged_tokens;
mod hints;
mod layers;
mod limits;
mod query_plans;
mod restarts;
mod sessions;
mod smtp;
mod support;
mod tokens;
