//! Pages by keyset: each begins where the last one ended, however far that is into the list.

use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::domain::team::{Page, PageEnd, Slice};

/// Narrows a query to a page, in the order of the identifiers in `column`. Its rows are for
/// [`slice`].
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
    // One row too many tells that there is more.
    query.limit(u64::from(page.size) + 1)
}

/// The page that the rows of a query narrowed by [`of_page`] are. What lies on the other side of a
/// given place is taken to be there, as the Relay specification allows.
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
