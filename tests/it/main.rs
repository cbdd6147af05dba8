//! Integration tests: one binary, one file per noun.

#![cfg(test)]

mod change_races;
mod codes;
mod email_address;
mod layers;
mod operators;
mod own_account;
mod password_hints;
mod password_limits;
mod password_reset;
mod passwords;
mod signing_keys;
mod smtp;
mod support;
