//! The rules about users, teams and mail, as plain types and functions: no I/O, no async.

pub mod clock;
pub mod code;
pub mod credential;
pub mod email;
pub mod id;
pub mod mail;
pub mod mailbox;
pub mod operation;
pub mod password;
pub mod session;
pub mod team;
pub mod user;
