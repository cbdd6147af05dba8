//! Integration tests: one binary, one file per noun.

#![cfg(test)]

mod cli;
mod codes;
mod contract;
mod graphql;
mod http;
mod layers;
mod pages;
mod smtp;
mod support;
