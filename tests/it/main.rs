//! Integration tests: one binary, one file per noun.

#![cfg(test)]

mod cache;
mod cli;
mod code_login;
mod code_races;
mod code_signup;
mod codes;
mod contract;
mod database;
mod forged_tokens;
mod graphql;
mod hints;
mod http;
mod invitations;
mod invited_signups;
mod layers;
mod limits;
mod pages;
mod private_fields;
mod query_plans;
mod restarts;
mod sessions;
mod smtp;
mod support;
mod team_members;
mod team_pages;
mod team_rights;
mod teams;
mod tokens;
