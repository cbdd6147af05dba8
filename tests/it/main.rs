//! Integration tests: one binary, one file per noun.

#![cfg(test)]

mod codes;
mod layers;
mod smtp;
mod support;
