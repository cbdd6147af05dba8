//! Sessions and the tokens that belong to them.

mod access_tokens;
mod cache;
mod forged_tokens;
mod refresh;
mod restarts;
mod signing_keys;
