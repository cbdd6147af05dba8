//! The GraphQL schema: thin resolvers that turn an input into one service call and its answer
//! into a payload.

use async_graphql::{EmptySubscription, SDLExportOptions, SchemaBuilder};

use crate::config::GraphqlConfig;
use crate::service::Services;

mod accounts;
mod code;
mod conformance;
mod connection;
mod context;
mod document;
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
mod reference;
mod root_fields;
mod server_info;
mod session;
mod team;
mod team_mutation;
mod user;

pub use document::{Document, Documents};
pub use error::{RequestError, Unauthenticated, set_request_id};
pub use query::AppInfo;
pub use reference::reference_markdown;
pub use root_fields::root_fields;

/// The executable schema.
pub type Schema = async_graphql::Schema<query::Query, mutation::Mutation, EmptySubscription>;

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
pub fn schema(
    services: Services,
    app: AppInfo,
    limits: GraphqlConfig,
    introspection: bool,
) -> Schema {
    let builder = builder()
        .data(services)
        .data(app)
        .extension(error::ErrorCodes { limits })
        .extension(conformance::Conformance)
        .limit_depth(limits.max_depth)
        .limit_complexity(limits.max_complexity)
        // Here fragments count too: one for each field, and some.
        .limit_recursive_depth(2 * limits.max_depth + 8)
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

fn builder() -> SchemaBuilder<query::Query, mutation::Mutation, EmptySubscription> {
    Schema::build(
        query::Query,
        mutation::Mutation::default(),
        EmptySubscription,
    )
}

/// The schema in the schema definition language, as committed in `schema.graphql`.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .prefer_single_line_descriptions()
        .include_specified_by()
        .use_space_ident();
    let mut sdl = builder()
        .finish()
        .sdl_with_options(options)
        .trim()
        .to_owned();
    sdl.push('\n');
    sdl
}
