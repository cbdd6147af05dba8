//! User accounts: profile, email address, privacy and deletion.

mod canary;
mod email_address;
mod existence_hints;
mod export;
mod own_account;
mod privacy;
mod private_fields;
mod races;
