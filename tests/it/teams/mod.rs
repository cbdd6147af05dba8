//! Teams: members, roles, invitations and access rights.

mod invitations;
mod invited_signups;
mod lifecycle;
pub(crate) mod members;
mod pages;
mod rights;
