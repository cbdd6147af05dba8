//! The GraphQL schema: thin resolvers that turn an input into one service call and its result
//! into a payload.

use async_graphql::{EmptySubscription, SDLExportOptions, SchemaBuilder, TypeDirective};
use chrono::{DateTime, Utc};

use crate::config::GraphqlConfig;
use crate::service::Services;

mod accounts;
mod checks;
mod code;
mod connection;
mod context;
mod document;
mod email;
mod error;
mod guard;
mod invitation;
mod mutation;
mod password;
mod payload;
mod profile;
mod query;
mod reference;
mod server_info;
mod session;
mod team;
mod team_mutation;
mod user;
mod variables;

pub(crate) use document::{Document, Documents};
pub(crate) use error::{RequestError, Unauthenticated, set_request_id};
pub(crate) use query::AppInfo;
pub(crate) use reference::{reference_markdown, root_fields};

/// The executable schema.
pub(crate) type Schema = async_graphql::Schema<query::Query, mutation::Mutation, EmptySubscription>;

/// Needs no access token. An operation whose root fields are all public runs even if its access
/// token is malformed, expired or revoked.
#[TypeDirective(location = "FieldDefinition")]
fn public() {}

/// The schema over a set of use cases.
pub(crate) fn schema(
    services: Services,
    app: AppInfo,
    limits: GraphqlConfig,
    introspection: bool,
) -> Schema {
    let builder = builder()
        .data(services)
        .data(app)
        .extension(checks::Checks {
            max_complexity: limits.max_complexity,
        })
        // The guard has bounded the depth of every document.
        .limit_recursive_depth(usize::MAX);
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
    .override_output_type_description::<team::TeamMembershipConnection>("A page of memberships.")
    .override_output_type_description::<invitation::TeamInvitationConnection>(
        "A page of pending invitations.",
    )
    .override_output_type_description::<DateTime<Utc>>(
        "A date and time in UTC in the format of RFC 3339, such as `2026-11-27T15:04:05.123456+00:00`.",
    )
}

/// The schema in the schema definition language, as committed in `schema.graphql`.
pub(crate) fn sdl() -> String {
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
