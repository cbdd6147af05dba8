//! Codes sent by email: sign-up, sign-in and the rules they share.

mod login;
mod races;
mod rules;
mod signup;
