//! Keyset pagination: a page begins after the last row of the previous one, not at an offset.

use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::domain::team::{Page, PageEnd, Slice};

/// Restricts a query to a page ordered by the ids in `column`. Pass its rows to [`slice()`].
pub(super) fn of_page<Q, Id>(mut query: Q, column: impl ColumnTrait, page: Page<Id>) -> Q
where
    Q: QueryFilter + QueryOrder + QuerySelect,
    Id: Into<Uuid>,
{
    if let Some(after) = page.after {
        query = query.filter(column.gt(after.into()));
    }
    if let Some(before) = page.before {
        query = query.filter(column.lt(before.into()));
    }
    let query = match page.end {
        PageEnd::First => query.order_by_asc(column),
        PageEnd::Last => query.order_by_desc(column),
    };
    // One extra row shows whether there are more.
    query.limit(u64::from(page.size) + 1)
}

/// The page made of the rows of [`of_page`]. Rows beyond a given cursor are assumed to exist, as the
/// Relay specification allows.
pub(super) fn slice<T, Id>(mut rows: Vec<T>, page: &Page<Id>) -> Slice<T> {
    let size = page.size as usize;
    let has_more = rows.len() > size;
    rows.truncate(size);
    match page.end {
        PageEnd::First => Slice {
            items: rows,
            has_previous: page.after.is_some(),
            has_next: has_more,
        },
        PageEnd::Last => {
            rows.reverse();
            Slice {
                items: rows,
                has_previous: has_more,
                has_next: page.before.is_some(),
            }
        }
    }
}
