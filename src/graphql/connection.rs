//! Pages of lists, as Relay's connections. They are read by keyset, so that no page is slower than
//! another.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, Enum, Object, OutputType, Result};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::context::ContextExt;
use super::error::BadUserInput;
use crate::domain::id::UserId;
use crate::domain::team::{Page, PageEnd, Slice};
use crate::service::{TeamAdmin, TeamView};

/// The items of a page if neither `first` nor `last` is given.
const PAGE_DEFAULT: u32 = 20;
/// The most items of a page.
const PAGE_MAX: u32 = 100;

/// A page of nodes, each made from an item of a slice and named by its id.
pub(super) fn connection<Item, Node: OutputType>(
    slice: Slice<Item>,
    total_count: TotalCount,
    node: impl Fn(Item) -> (Uuid, Node),
) -> Connection<String, Node, TotalCount> {
    let (has_previous, has_next) = (slice.has_previous, slice.has_next);
    let mut connection = Connection::with_additional_fields(has_previous, has_next, total_count);
    let nodes = slice.items.into_iter().map(node);
    let edges = nodes.map(|(id, node)| Edge::new(BASE64_URL_SAFE_NO_PAD.encode(id), node));
    connection.edges = edges.collect();
    connection
}

/// The page that the arguments of a connection ask for; an error for a size out of range, for
/// `first` together with `last` and for malformed cursors.
pub(super) fn page<Id: From<Uuid>>(
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
) -> Result<Page<Id>, BadUserInput> {
    let (size, end) = match (first, last) {
        (Some(_), Some(_)) => return Err(BadUserInput("Use either first or last, not both.")),
        (None, None) => (PAGE_DEFAULT, PageEnd::First),
        (Some(size), None) => (page_size(size)?, PageEnd::First),
        (None, Some(size)) => (page_size(size)?, PageEnd::Last),
    };
    Ok(Page {
        size,
        end,
        after: after.map(|cursor| read_cursor(&cursor)).transpose()?,
        before: before.map(|cursor| read_cursor(&cursor)).transpose()?,
    })
}

/// How many items a page can have, for a `first` or `last` that may not be valid.
pub(super) fn page_items(size: Option<u64>) -> usize {
    let size = size.and_then(|size| u32::try_from(size).ok());
    size.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX) as usize
}

fn page_size(size: i32) -> Result<u32, BadUserInput> {
    u32::try_from(size)
        .ok()
        .filter(|size| *size <= PAGE_MAX)
        .ok_or(BadUserInput("A page can have 0 to 100 items."))
}

fn read_cursor<Id: From<Uuid>>(cursor: &str) -> Result<Id, BadUserInput> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    let id = bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok());
    id.map(Id::from)
        .ok_or(BadUserInput("The cursor is malformed."))
}

/// How many items there are on all pages of a list.
pub(super) enum TotalCount {
    Members(TeamView),
    Teams(UserId),
    Invitations(TeamAdmin),
}

/// How many items there are on all pages.
#[Object]
impl TotalCount {
    /// The number of items on all pages. Counted only if it is requested.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64> {
        Ok(match self {
            Self::Members(team) => team.count_members().await?,
            Self::Teams(user) => ctx.caller().count_teams(*user).await?,
            Self::Invitations(team) => team.count_invitations().await?,
        })
    }
}

/// A role in a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "TeamRole", remote = "crate::domain::team::Role")]
pub(super) enum TeamRole {
    /// Can see the team and its members.
    Member,
    /// Can also change the team, its members and its invitations.
    Admin,
}
