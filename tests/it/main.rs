//! Integration tests: one binary, one file per noun.

#![cfg(test)]

mod codes;
mod contract;
mod graphql;
mod http;
mod layers;
mod smtp;
mod support;
