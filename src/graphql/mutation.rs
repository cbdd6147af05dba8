//! The root of all mutations, joined from one part per noun.

use async_graphql::MergedObject;

use super::code::CodeMutation;
use super::email::EmailMutation;
use super::password::PasswordMutation;
use super::profile::ProfileMutation;
use super::session::SessionMutation;
use super::team_mutation::TeamMutation;

/// Everything that changes something.
#[derive(MergedObject, Default)]
pub struct Mutation(
    CodeMutation,
    PasswordMutation,
    EmailMutation,
    SessionMutation,
    ProfileMutation,
    TeamMutation,
);
