//! Integration tests: one binary, one file per noun.

#![cfg(test)]

mod codes;
mod layers;
mod mail;
mod outages;
mod outbox;
mod privacy;
mod processes;
mod smtp;
mod support;
mod templates;
