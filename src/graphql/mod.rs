//! The GraphQL schema: thin resolvers that turn an input into one service call and its answer
//! into a payload.

use std::time::Duration;

use async_graphql::{EmptySubscription, SDLExportOptions};

use crate::service::Services;

mod accounts;
mod caller;
mod code;
mod conformance;
mod connection;
mod email;
mod error;
pub mod guard;
mod invitation;
mod mutation;
pub mod operation;
mod password;
mod payload;
mod profile;
mod query;
mod server_info;
mod session;
mod team;
mod team_mutation;
mod user;

pub use caller::{Caller, RequestId};
pub use error::{ErrorCode, RequestError, Unauthenticated, set_request_id};
pub use query::AppInfo;

/// The executable schema.
pub type Schema =
    async_graphql::Schema<query::Query, mutation::Mutation, async_graphql::EmptySubscription>;

/// How long an operation may run.
pub const EXECUTION_TIMEOUT: Duration = Duration::from_secs(30);
/// How deep fields may be nested.
const MAX_DEPTH: usize = 16;
/// How much one document may ask for, a field being one.
const MAX_COMPLEXITY: usize = 2_000;
/// How deep the parser may recurse.
const MAX_RECURSION: usize = 40;
/// How many directives one field may have.
const MAX_DIRECTIVES: usize = 5;

/// The fields at the root of an operation that need no access token. An operation of these alone
/// runs also with one that is dead.
pub const PUBLIC_FIELDS: &[&str] = &[
    "__schema",
    "__type",
    "__typename",
    "me",
    "serverInfo",
    "requestSignupCode",
    "verifySignupCode",
    "requestLoginCode",
    "verifyLoginCode",
    "register",
    "login",
    "requestPasswordReset",
    "resetPassword",
    "verifyEmail",
    "invitation",
    "acceptInvitation",
    "declineInvitation",
    "refreshSession",
];

/// The schema over a set of use cases.
pub fn schema(services: Services, app: AppInfo, introspection: bool) -> Schema {
    let builder = async_graphql::Schema::build(
        query::Query,
        mutation::Mutation::default(),
        EmptySubscription,
    )
    .data(services)
    .data(app)
    .extension(error::ErrorCodes)
    .extension(conformance::Conformance)
    .limit_depth(MAX_DEPTH)
    .limit_complexity(MAX_COMPLEXITY)
    .limit_recursive_depth(MAX_RECURSION)
    .limit_directives(MAX_DIRECTIVES);
    if introspection {
        builder.finish()
    } else {
        builder
            .disable_introspection()
            .disable_suggestions()
            .finish()
    }
}

/// The schema in the schema definition language, as committed in `schema.graphql`.
pub fn sdl() -> String {
    let schema = async_graphql::Schema::build(
        query::Query,
        mutation::Mutation::default(),
        EmptySubscription,
    )
    .finish();
    let options = SDLExportOptions::new()
        .prefer_single_line_descriptions()
        .include_specified_by()
        .use_space_ident();
    let mut sdl = schema.sdl_with_options(options).trim().to_owned();
    sdl.push('\n');
    sdl
}
