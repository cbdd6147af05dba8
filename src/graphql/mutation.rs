//! The root of all mutations, merged from one part per noun.

use async_graphql::MergedObject;

use super::code::CodeMutation;
use super::email::EmailMutation;
use super::password::PasswordMutation;
use super::profile::ProfileMutation;
use super::session::SessionMutation;
use super::team_mutation::TeamMutation;

/// All mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(
    CodeMutation,
    PasswordMutation,
    EmailMutation,
    SessionMutation,
    ProfileMutation,
    TeamMutation,
);
