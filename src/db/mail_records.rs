//! Queries on the mails of the outbox as an operator sees them, whatever their state.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::outbox_mails::{Column, Entity, Model};
use super::outbox::ERASED;
use super::{DbError, Executor, changed};
use crate::domain::clock::Timestamp;
use crate::domain::id::MailId;
use crate::domain::mail::{MailRecord, MailState};

/// The newest mails, those in a state or all.
pub async fn newest(
    db: &impl Executor,
    state: Option<MailState>,
    limit: u64,
) -> Result<Vec<MailRecord>, DbError> {
    let mut query = Entity::find();
    if let Some(state) = state {
        query = query.filter(Column::State.eq(state.name()));
    }
    // Identifiers are in the order of time, and the primary key is an index.
    let query = query.order_by_desc(Column::Id).limit(limit);
    let rows = query.all(db).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One mail.
pub async fn find(db: &impl Executor, id: MailId) -> Result<Option<MailRecord>, DbError> {
    let row = Entity::find_by_id(id).one(db).await?;
    row.map(TryInto::try_into).transpose()
}

/// Identifiers of all dead mails but those of erased accounts, the oldest first.
pub async fn dead(db: &impl Executor) -> Result<Vec<MailId>, DbError> {
    let ids: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::State.eq(MailState::Dead.name()))
        .filter(Column::Recipient.ne(ERASED))
        .order_by_asc(Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// Makes a dead mail, or one that waits, due at once, with all its tries before it. `false` if it
/// is none of the two (any more), is just being sent, or its recipient was erased.
pub async fn retry(db: &impl Executor, id: MailId, now: Timestamp) -> Result<bool, DbError> {
    let is_held = Column::LeasedUntil.gt(now);
    let waits = Condition::all()
        .add(Column::State.eq(MailState::Pending.name()))
        .add(Column::LeasedUntil.is_null().or(is_held.not()));
    let result = Entity::update_many()
        .col_expr(Column::State, MailState::Pending.name().into())
        .col_expr(Column::NextAttemptAt, now.into())
        .col_expr(Column::LeasedUntil, Option::<Timestamp>::None.into())
        .col_expr(Column::RetriedAt, now.into())
        .col_expr(Column::AttemptsBefore, Expr::col(Column::Attempts))
        .filter(Column::Id.eq(id))
        .filter(Column::Recipient.ne(ERASED))
        .filter(
            Condition::any()
                .add(Column::State.eq(MailState::Dead.name()))
                .add(waits),
        )
        .exec(db)
        .await?;
    Ok(changed(&result))
}

impl TryFrom<Model> for MailRecord {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let corrupt = |error| DbError::Corrupt(format!("outbox mail {}: {error}", row.id));
        Ok(Self {
            state: row.state.parse().map_err(corrupt)?,
            is_erased: row.recipient == ERASED,
            next_attempt_at: row.next_attempt_at,
            leased_until: row.leased_until,
            provider: row.provider.clone(),
            last_error: row.last_error.clone(),
            sent_at: row.sent_at,
            mail: row.try_into()?,
        })
    }
}
