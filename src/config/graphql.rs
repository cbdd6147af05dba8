//! How much one GraphQL request may ask for.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::Reader;
use super::settings;

/// How many of something a document may have.
const COUNT: RangeInclusive<usize> = 1..=1_000_000;

/// The most one GraphQL request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphqlConfig {
    /// What is counted before a parser has seen the document.
    pub document: DocumentLimits,
    /// `GRAPHQL_MAX_DEPTH`: fields within fields.
    pub max_depth: usize,
    /// `GRAPHQL_MAX_COMPLEXITY`: a field counts one, and as often as its list may have items.
    pub max_complexity: usize,
    /// `GRAPHQL_TIMEOUT_SECONDS`: how long an operation may run.
    pub timeout: Duration,
}

/// The most a document may have of each, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentLimits {
    /// `GRAPHQL_MAX_BYTES`: bytes of text.
    pub max_bytes: usize,
    /// `GRAPHQL_MAX_TOKENS`: names, numbers, strings and punctuators. Bounds everything else a
    /// document repeats, such as variables and arguments.
    pub max_tokens: usize,
    /// `GRAPHQL_MAX_NESTING`: brackets of any kind open at once.
    pub max_nesting: usize,
    /// `GRAPHQL_MAX_ALIASES`: fields under another name.
    pub max_aliases: usize,
    /// `GRAPHQL_MAX_DIRECTIVES`: directives, wherever they stand.
    pub max_directives: usize,
    /// `GRAPHQL_MAX_SPREADS`: spreads of fragments and inline fragments.
    pub max_spreads: usize,
    /// `GRAPHQL_MAX_ROOT_FIELDS`: fields at the top of one operation, those that come from
    /// fragments included.
    pub max_root_fields: usize,
    /// `GRAPHQL_MAX_EXPANDED_SELECTIONS`: fields, inline fragments and spreads of all operations
    /// together, once every spread is followed.
    pub max_expanded_selections: usize,
}

pub(super) fn read(r: &mut Reader) -> GraphqlConfig {
    GraphqlConfig {
        document: DocumentLimits {
            // A longer document does not fit into a body.
            max_bytes: r.integer(settings::GRAPHQL_MAX_BYTES, 1024..=262_144),
            max_tokens: r.integer(settings::GRAPHQL_MAX_TOKENS, COUNT),
            // The parser gives up at 64.
            max_nesting: r.integer(settings::GRAPHQL_MAX_NESTING, 4..=64),
            max_aliases: r.integer(settings::GRAPHQL_MAX_ALIASES, COUNT),
            max_directives: r.integer(settings::GRAPHQL_MAX_DIRECTIVES, COUNT),
            max_spreads: r.integer(settings::GRAPHQL_MAX_SPREADS, COUNT),
            max_root_fields: r.integer(settings::GRAPHQL_MAX_ROOT_FIELDS, COUNT),
            max_expanded_selections: r
                .integer(settings::GRAPHQL_MAX_EXPANDED_SELECTIONS, 1..=100_000),
        },
        max_depth: r.integer(settings::GRAPHQL_MAX_DEPTH, 4..=64),
        max_complexity: r.integer(settings::GRAPHQL_MAX_COMPLEXITY, COUNT),
        timeout: Duration::from_secs(r.integer(settings::GRAPHQL_TIMEOUT_SECONDS, 1..=600)),
    }
}
