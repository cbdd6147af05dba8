//! Lists in pages, as Relay's connections: by keyset, so that no page is slower than another.

use async_graphql::{Enum, ID, SimpleObject};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::error::ApiError;
use crate::domain::team::{Page, PageEnd, Slice};

/// Items of a page where neither `first` nor `last` is given.
const PAGE_DEFAULT: u32 = 20;
/// Items of a page at most.
const PAGE_MAX: u32 = 100;

/// Where a page lies in its list.
#[derive(SimpleObject)]
pub(super) struct PageInfo {
    /// Whether more comes after it.
    has_next_page: bool,
    /// Whether more comes before it.
    has_previous_page: bool,
    /// The cursor of its first item; null for an empty page.
    start_cursor: Option<String>,
    /// The cursor of its last item; null for an empty page.
    end_cursor: Option<String>,
}

impl PageInfo {
    pub(super) fn of<T>(slice: &Slice<T>, id: impl Fn(&T) -> Uuid) -> Self {
        Self {
            has_next_page: slice.has_next,
            has_previous_page: slice.has_previous,
            start_cursor: slice.items.first().map(|item| cursor(id(item))),
            end_cursor: slice.items.last().map(|item| cursor(id(item))),
        }
    }
}

/// The arguments of a connection, as given.
pub(super) struct PageArguments {
    pub(super) first: Option<i32>,
    pub(super) after: Option<String>,
    pub(super) last: Option<i32>,
    pub(super) before: Option<String>,
}

impl PageArguments {
    /// The page that is meant; an error for negative sizes, `first` together with `last`, and
    /// cursors that are none.
    pub(super) fn page<Id: From<Uuid>>(self) -> Result<Page<Id>, ApiError> {
        let (size, end) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(ApiError::BadUserInput(
                    "Give first or last, not both.".into(),
                ));
            }
            (None, None) => (PAGE_DEFAULT, PageEnd::First),
            (Some(size), None) => (page_size(size)?, PageEnd::First),
            (None, Some(size)) => (page_size(size)?, PageEnd::Last),
        };
        let place = |cursor: Option<String>| cursor.map(|cursor| read_cursor(&cursor)).transpose();
        Ok(Page {
            size,
            end,
            after: place(self.after)?,
            before: place(self.before)?,
        })
    }
}

/// How many items a page can have, for a `first` or `last` that may not be valid.
pub(super) fn page_items(size: Option<u64>) -> usize {
    let size = size.and_then(|size| u32::try_from(size).ok());
    size.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX) as usize
}

fn page_size(size: i32) -> Result<u32, ApiError> {
    u32::try_from(size)
        .ok()
        .filter(|size| *size <= PAGE_MAX)
        .ok_or(ApiError::BadUserInput("A page has 0 to 100 items.".into()))
}

/// The place of an item in its list, opaque to clients.
pub(super) fn cursor(id: Uuid) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(id)
}

fn read_cursor<Id: From<Uuid>>(cursor: &str) -> Result<Id, ApiError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    let id = bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok());
    id.map(Id::from).ok_or(ApiError::BadUserInput(
        "This cursor is not one of ours.".into(),
    ))
}

/// An opaque identifier as clients see it.
pub(super) fn to_id(id: impl Into<Uuid>) -> ID {
    id.into().to_string().into()
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "TeamRole", remote = "crate::domain::team::Role")]
pub(super) enum TeamRole {
    /// May see the team and its members.
    Member,
    /// May change the team, its members and its invitations, too.
    Admin,
}
