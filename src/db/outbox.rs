//! Queries on the mails of the outbox.

use chrono::TimeDelta;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition, LockBehavior, LockType, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::cleanup::delete_first;
use super::entity::mail_attempts;
use super::entity::outbox_mails::{ActiveModel, Column, Entity, Model};
use super::{DbError, Executor, Result, Tx, changed};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{MailId, UserId};
use crate::domain::mail::{AttemptOutcome, Mail, MailAttempt, MailState, OutboxMail};

/// How wrong the comparison of this machine's clock with the database's may be.
const CLOCK_ERROR: TimeDelta = TimeDelta::seconds(1);

pub async fn insert(db: &impl Executor, mail: &OutboxMail) -> Result<()> {
    let mail = mail.clone();
    let row = ActiveModel {
        id: Set(mail.id),
        kind: Set(mail.content.kind().name().to_owned()),
        recipient: Set(mail.recipient),
        user_id: Set(mail.user_id),
        refers_to: Set(mail.refers_to),
        params: Set(mail.content.params()),
        state: Set(mail.state),
        attempts: Set(mail.attempts),
        next_attempt_at: Set(mail.next_attempt_at),
        leased_until: Set(mail.leased_until),
        provider: Set(mail.provider),
        last_error: Set(mail.last_error),
        created_at: Set(mail.created_at),
        sent_at: Set(mail.sent_at),
        retried_at: Set(mail.retried_at),
        attempts_before: Set(mail.attempts_before),
    };
    row.insert(db).await?;
    Ok(())
}

/// Leases a mail until `until` and counts the attempt. `None` if it is not due or already leased.
///
/// A wakeup can arrive while this process's idea of the database's clock is slightly behind, so
/// mails that are due within [`CLOCK_ERROR`] are leased, too.
pub async fn lease(
    db: &impl Executor,
    id: MailId,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<OutboxMail>> {
    let is_due = is_due(now + CLOCK_ERROR).add(Column::Id.eq(id));
    Ok(lease_where(db, is_due, until).await?.pop())
}

/// Leases up to `limit` due mails, those that are due longest first.
pub async fn lease_due(
    db: &impl Executor,
    limit: u64,
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<OutboxMail>> {
    let due = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(is_due(now))
        .order_by_asc(Column::NextAttemptAt)
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_query();
    lease_where(db, Column::Id.in_subquery(due).into_condition(), until).await
}

async fn lease_where(
    db: &impl Executor,
    condition: Condition,
    until: Timestamp,
) -> Result<Vec<OutboxMail>> {
    let update = Query::update()
        .table(Entity)
        .value(Column::LeasedUntil, until)
        .value(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .cond_where(condition)
        .returning_all()
        .to_owned();
    let rows = db.query_all(&update).await?;
    rows.iter()
        .map(|row| Model::from_query_result(row, "")?.try_into())
        .collect()
}

/// Ids of up to `limit` mails that are due and not leased.
pub async fn due(db: &impl Executor, now: Timestamp, limit: u64) -> Result<Vec<MailId>> {
    let ids: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(is_due(now))
        .order_by_asc(Column::NextAttemptAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// When the mail that has been due longest became due, of those that are not leased.
pub async fn oldest_due(db: &impl Executor, now: Timestamp) -> Result<Option<Timestamp>> {
    Ok(Entity::find()
        .select_only()
        .column(Column::NextAttemptAt)
        .filter(is_due(now))
        .order_by_asc(Column::NextAttemptAt)
        .into_tuple()
        .one(db)
        .await?)
}

/// The numbers of mails that are not sent yet, and of dead ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Due and not leased.
    pub due: u64,
    /// To be retried later.
    pub waiting: u64,
    /// Leased.
    pub sending: u64,
    pub dead: u64,
}

/// Sent and cancelled mails are by far the most, and not counted.
pub async fn backlog(db: &impl Executor, now: Timestamp) -> Result<Backlog> {
    let count = async |condition: Condition| {
        let query = Entity::find()
            .select_only()
            .column_as(Column::Id.count(), "mails")
            .filter(condition);
        let count: Option<i64> = query.into_tuple().one(db).await?;
        Ok::<_, DbError>(u64::try_from(count.unwrap_or_default()).unwrap_or_default())
    };
    let held = in_state(MailState::Pending).add(Column::LeasedUntil.gt(now));
    let later = in_state(MailState::Pending)
        .add(Column::NextAttemptAt.gt(now))
        .add(
            Condition::any()
                .add(Column::LeasedUntil.is_null())
                .add(Column::LeasedUntil.lte(now)),
        );
    Ok(Backlog {
        due: count(is_due(now)).await?,
        waiting: count(later).await?,
        sending: count(held).await?,
        dead: count(in_state(MailState::Dead)).await?,
    })
}

/// Records an attempt and ends its lease. Call it in a transaction. `retry_at` is the time of the next attempt after a failed
/// one. `false` if nothing was recorded, because another worker has leased the mail since or it was
/// cancelled.
pub async fn finish(
    db: &impl Executor,
    mail: MailId,
    attempt: MailAttempt,
    retry_at: Option<Timestamp>,
) -> Result<bool> {
    let state = match attempt.outcome {
        AttemptOutcome::Sent => MailState::Sent,
        AttemptOutcome::Failed => MailState::Pending,
        AttemptOutcome::Dead => MailState::Dead,
        AttemptOutcome::Cancelled => MailState::Cancelled,
    };
    let is_sent = state == MailState::Sent;
    let mut row = ActiveModel {
        state: Set(state),
        leased_until: Set(None),
        ..Default::default()
    };
    if attempt.provider.is_some() {
        row.provider = Set(attempt.provider.clone());
        row.last_error = Set(attempt.error.clone().filter(|_| !is_sent));
    }
    if is_sent {
        row.sent_at = Set(Some(attempt.ended_at));
    }
    if let Some(at) = retry_at {
        row.next_attempt_at = Set(at);
    }
    let result = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(mail))
        .filter(Column::State.eq(MailState::Pending))
        .filter(Column::Attempts.eq(attempt.number))
        .exec(db)
        .await?;
    if changed(&result) {
        let row = mail_attempts::ActiveModel {
            mail_id: Set(mail),
            number: Set(attempt.number),
            started_at: Set(attempt.started_at),
            ended_at: Set(attempt.ended_at),
            outcome: Set(attempt.outcome),
            provider: Set(attempt.provider),
            error: Set(attempt.error),
        };
        row.insert(db).await?;
    }
    Ok(changed(&result))
}

/// Cancels the mails to a user that were not sent, and removes the user's data from all others,
/// including responses of providers, which may quote the email address.
pub async fn erase_of_user(tx: &Tx, user_id: UserId, email: &EmailAddress) -> Result<()> {
    let theirs = Condition::any()
        .add(Column::UserId.eq(user_id))
        .add(Column::Recipient.eq(email.as_str()));
    // Locks all of them, so that none is recorded or retried in between.
    let cancelled = Expr::case(
        Expr::col(Column::State).eq(MailState::Pending),
        MailState::Cancelled,
    );
    Entity::update_many()
        .col_expr(
            Column::State,
            cancelled.finally(Expr::col(Column::State)).into(),
        )
        .filter(theirs.clone())
        .exec(tx)
        .await?;
    let ids = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(theirs.clone())
        .into_query();
    mail_attempts::Entity::update_many()
        .col_expr(mail_attempts::Column::Error, Option::<String>::None.into())
        .filter(mail_attempts::Column::MailId.in_subquery(ids))
        .exec(tx)
        .await?;
    Entity::update_many()
        .col_expr(Column::Recipient, OutboxMail::ERASED.into())
        .col_expr(Column::LastError, Option::<String>::None.into())
        .col_expr(Column::Params, serde_json::json!({}).into())
        .col_expr(Column::UserId, Option::<Uuid>::None.into())
        .filter(theirs)
        .exec(tx)
        .await?;
    Ok(())
}

/// The state is part of the text of the statement, not a parameter, so that a partial index is
/// used.
fn in_state(state: MailState) -> Condition {
    let name = Expr::cust(format!("'{}'", state.name()));
    Condition::all().add(Expr::col(Column::State).eq(name))
}

/// Deletes up to `limit` mails that were sent, cancelled or given up by `end`. Returns how many
/// were deleted. A mail that was not sent ended when it was last due.
pub async fn delete_ended(db: &impl Executor, end: Timestamp, limit: u64) -> Result<u64> {
    // Must match the expression of the index exactly.
    let ended_at = Expr::cust("COALESCE(sent_at, next_attempt_at)");
    let is_over = Condition::all()
        .add(Expr::cust("state <> 'pending'"))
        .add(ended_at.clone().lte(end));
    delete_first::<Entity>(db, Column::Id, is_over, ended_at, limit).await
}

fn is_due(now: Timestamp) -> Condition {
    in_state(MailState::Pending)
        .add(Column::NextAttemptAt.lte(now))
        .add(
            Condition::any()
                .add(Column::LeasedUntil.is_null())
                .add(Column::LeasedUntil.lte(now)),
        )
}

impl TryFrom<Model> for OutboxMail {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self> {
        let corrupt = |error| DbError::Corrupt(format!("outbox mail {}: {error}", row.id));
        Ok(Self {
            content: Mail::from_row(&row.kind, &row.params).map_err(corrupt)?,
            id: row.id,
            recipient: row.recipient,
            user_id: row.user_id,
            refers_to: row.refers_to,
            state: row.state,
            attempts: row.attempts,
            attempts_before: row.attempts_before,
            next_attempt_at: row.next_attempt_at,
            leased_until: row.leased_until,
            provider: row.provider,
            last_error: row.last_error,
            created_at: row.created_at,
            sent_at: row.sent_at,
            retried_at: row.retried_at,
        })
    }
}
