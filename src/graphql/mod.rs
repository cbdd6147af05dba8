//! The GraphQL schema: thin resolvers that turn an input into one service call and its result
//! into a payload.

use std::collections::HashMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use async_graphql::{
    EmptySubscription, MergedObject, SDLExportOptions, SchemaBuilder, TypeDirective,
};
use chrono::{DateTime, Utc};

use crate::config::{AppConfig, GraphqlConfig};

mod checks;
mod code;
mod connection;
mod context;
mod document;
pub(crate) mod error;
mod guard;
mod invitation;
mod password;
mod payload;
mod profile;
mod query;
mod session;
mod team;
mod team_mutation;
mod user;
mod variables;

pub(crate) use document::{Document, Documents};

/// The executable schema.
pub(crate) type Schema = async_graphql::Schema<query::Query, Mutation, EmptySubscription>;

/// All mutations.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    code::CodeMutation,
    password::PasswordMutation,
    session::SessionMutation,
    profile::ProfileMutation,
    team_mutation::TeamMutation,
);

/// Needs no access token. An operation whose root fields are all public runs even if its access
/// token is malformed, expired or revoked.
#[TypeDirective(location = "FieldDefinition")]
fn public() {}

/// Execute it with a [`Caller`](crate::service::Caller) among the data of the request.
pub(crate) fn schema(app: AppConfig, limits: GraphqlConfig, introspection: bool) -> Schema {
    let max_complexity = limits.max_complexity;
    let mut builder = builder()
        .data(app)
        .extension(checks::Checks { max_complexity })
        // The guard has bounded the depth of every document.
        .limit_recursive_depth(usize::MAX);
    if !introspection {
        builder = builder.disable_introspection().disable_suggestions();
    }
    builder.finish()
}

fn builder() -> SchemaBuilder<query::Query, Mutation, EmptySubscription> {
    Schema::build(
        query::Query,
        Mutation::default(),
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
    let sdl = builder().finish().sdl_with_options(options);
    format!("{}\n", sdl.trim())
}

/// Every field that an operation can have at its root, and whether it is public.
pub(crate) fn root_fields() -> HashMap<String, bool> {
    let of_any_schema = ["__schema", "__type", "__typename"];
    let mut fields: HashMap<_, _> = of_any_schema.map(|name| (name.to_owned(), true)).into();
    let schema = parse_schema(sdl()).map(|schema| schema.definitions);
    for definition in schema.unwrap_or_default() {
        if let TypeSystemDefinition::Type(definition) = definition
            && ["Query", "Mutation"].contains(&definition.node.name.node.as_str())
            && let TypeKind::Object(object) = definition.node.kind
        {
            for field in object.fields {
                let mut directives = field.node.directives.iter();
                let is_public = directives.any(|directive| directive.node.name.node == "public");
                fields.insert(field.node.name.node.to_string(), is_public);
            }
        }
    }
    fields
}
