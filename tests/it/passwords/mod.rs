//! Accounts with a password: sign-in, reset and limits.

mod accounts;
mod existence_hints;
mod limits;
mod reset;
