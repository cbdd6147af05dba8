//! Integration tests: one binary, one file per noun.

#![cfg(test)]

mod cache;
mod change_races;
mod cli;
mod code_login;
mod code_races;
mod code_signup;
mod codes;
mod contract;
mod database;
mod email_address;
mod forged_tokens;
mod graphql;
mod hints;
mod http;
mod invitations;
mod invited_signups;
mod layers;
mod limits;
mod mail;
mod operators;
mod outages;
mod outbox;
mod own_account;
mod pages;
mod password_hints;
mod password_limits;
mod password_reset;
mod passwords;
mod privacy;
mod private_fields;
mod processes;
mod query_plans;
mod restarts;
mod retention;
mod sessions;
mod signing_keys;
mod smtp;
mod support;
mod team_members;
mod team_pages;
mod team_rights;
mod teams;
mod templates;
mod tokens;
