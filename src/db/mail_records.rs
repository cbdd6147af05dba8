//! Queries on mails in any state, for operators.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::outbox_mails::{Column, Entity};
use super::{Executor, Result, changed};
use crate::domain::clock::Timestamp;
use crate::domain::id::MailId;
use crate::domain::mail::{MailState, OutboxMail};

pub async fn newest(
    db: &impl Executor,
    state: Option<MailState>,
    limit: u64,
) -> Result<Vec<OutboxMail>> {
    let mut query = Entity::find();
    if let Some(state) = state {
        query = query.filter(Column::State.eq(state));
    }
    // IDs are in the order of time.
    let query = query.order_by_desc(Column::Id).limit(limit);
    let rows = query.all(db).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

pub async fn find(db: &impl Executor, id: MailId) -> Result<Option<OutboxMail>> {
    let row = Entity::find_by_id(id).one(db).await?;
    row.map(TryInto::try_into).transpose()
}

/// The dead mails, without those of deleted users, oldest first.
pub async fn dead(db: &impl Executor) -> Result<Vec<MailId>> {
    let ids: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::State.eq(MailState::Dead))
        .filter(Column::Recipient.ne(OutboxMail::ERASED))
        .order_by_asc(Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// Makes a dead or waiting mail due now, and stops counting its earlier attempts. `false` if it is
/// in another state, leased, or its user was deleted.
pub async fn retry(db: &impl Executor, id: MailId, now: Timestamp) -> Result<bool> {
    let is_held = Column::LeasedUntil.gt(now);
    let waits = Condition::all()
        .add(Column::State.eq(MailState::Pending))
        .add(Column::LeasedUntil.is_null().or(is_held.not()));
    let result = Entity::update_many()
        .col_expr(Column::State, MailState::Pending.into())
        .col_expr(Column::NextAttemptAt, now.into())
        .col_expr(Column::LeasedUntil, Option::<Timestamp>::None.into())
        .col_expr(Column::RetriedAt, now.into())
        .col_expr(Column::AttemptsBefore, Expr::col(Column::Attempts))
        .filter(Column::Id.eq(id))
        .filter(Column::Recipient.ne(OutboxMail::ERASED))
        .filter(
            Condition::any()
                .add(Column::State.eq(MailState::Dead))
                .add(waits),
        )
        .exec(db)
        .await?;
    Ok(changed(&result))
}
