//! Integration tests: one binary, one file per noun.

mod layers;
#[cfg(test)]
mod smtp;
#[cfg(test)]
mod support;
