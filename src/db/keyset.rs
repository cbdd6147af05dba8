//! Pages by keyset: each begins where the last one ended, however far that is into the list.

use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use sea_orm::{EntityTrait, SelectTwo};
use uuid::Uuid;

use super::DbError;
use crate::domain::team::{Page, PageEnd, Slice};

/// The rows of a page with what belongs to each, ordered by the identifiers in `column`.
pub(super) async fn page_with<E, R, Id>(
    db: &impl ConnectionTrait,
    query: SelectTwo<E, R>,
    column: E::Column,
    page: Page<Id>,
) -> Result<Slice<(E::Model, Option<R::Model>)>, DbError>
where
    E: EntityTrait,
    R: EntityTrait,
    Id: Into<Uuid>,
{
    let (size, after, before) = (page.size, page.after, page.before);
    let (has_after, has_before) = (after.is_some(), before.is_some());
    let query = within(query, column, after, before);
    let query = ordered(query, column, page.end).limit(u64::from(size) + 1);
    let rows = query.all(db).await?;
    Ok(slice(rows, size, page.end, has_after, has_before))
}

/// The rows of a page, ordered by the identifiers in `column`.
pub(super) async fn page<E, Id>(
    db: &impl ConnectionTrait,
    query: Select<E>,
    column: E::Column,
    page: Page<Id>,
) -> Result<Slice<E::Model>, DbError>
where
    E: EntityTrait,
    Id: Into<Uuid>,
{
    let (size, after, before) = (page.size, page.after, page.before);
    let (has_after, has_before) = (after.is_some(), before.is_some());
    let query = within(query, column, after, before);
    let query = ordered(query, column, page.end).limit(u64::from(size) + 1);
    let rows = query.all(db).await?;
    Ok(slice(rows, size, page.end, has_after, has_before))
}

fn within<Q: QueryFilter>(
    mut query: Q,
    column: impl ColumnTrait,
    after: Option<impl Into<Uuid>>,
    before: Option<impl Into<Uuid>>,
) -> Q {
    if let Some(after) = after {
        query = query.filter(column.gt(after.into()));
    }
    if let Some(before) = before {
        query = query.filter(column.lt(before.into()));
    }
    query
}

fn ordered<Q: QueryOrder>(query: Q, column: impl ColumnTrait, end: PageEnd) -> Q {
    match end {
        PageEnd::First => query.order_by_asc(column),
        PageEnd::Last => query.order_by_desc(column),
    }
}

/// Takes the one row too many off again: it only told that there is more. What lies on the other
/// side of a given place is taken to be there, as the Relay specification allows.
fn slice<T>(
    mut rows: Vec<T>,
    size: u32,
    end: PageEnd,
    has_after: bool,
    has_before: bool,
) -> Slice<T> {
    let has_more = rows.len() > size as usize;
    rows.truncate(size as usize);
    match end {
        PageEnd::First => Slice {
            items: rows,
            has_previous: has_after,
            has_next: has_more,
        },
        PageEnd::Last => {
            rows.reverse();
            Slice {
                items: rows,
                has_previous: has_more,
                has_next: has_before,
            }
        }
    }
}
