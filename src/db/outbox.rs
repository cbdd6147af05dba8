//! Queries on the mails of the outbox.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::entity::outbox_mails::{ActiveModel, Column, Entity, Model};
use super::{DbError, Executor, changed, from_column, to_column};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{MailId, UserId};
use crate::domain::mail::{MailState, OutboxMail};

/// Adds a mail that is due at once.
pub async fn insert(db: &impl Executor, mail: &OutboxMail) -> Result<(), DbError> {
    let row = ActiveModel {
        id: Set(mail.id.into()),
        kind: Set(mail.kind.name().to_owned()),
        recipient: Set(mail.recipient.as_str().to_owned()),
        user_id: Set(mail.user_id.map(Into::into)),
        refers_to: Set(mail.refers_to),
        params: Set(serde_json::json!(mail.params)),
        state: Set(MailState::Pending.name().to_owned()),
        attempts: Set(to_column(mail.attempts)),
        next_attempt_at: Set(mail.created_at),
        leased_until: Set(None),
        provider: Set(None),
        last_error: Set(None),
        created_at: Set(mail.created_at),
        sent_at: Set(None),
    };
    row.insert(db.connection()).await?;
    Ok(())
}

/// Takes a due mail for sending until `until`, and counts the attempt. `None` if it is not due,
/// is done, or somebody else holds it.
pub async fn lease(
    db: &impl Executor,
    id: MailId,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<OutboxMail>, DbError> {
    let result = Entity::update_many()
        .col_expr(Column::LeasedUntil, until.into())
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .filter(Column::Id.eq(id))
        .filter(is_due(now))
        .exec(db.connection())
        .await?;
    if !changed(&result) {
        return Ok(None);
    }
    let row = Entity::find_by_id(id).one(db.connection()).await?;
    row.map(TryInto::try_into).transpose()
}

/// Identifiers of due mails that nobody holds, the longest due first.
pub async fn due(db: &impl Executor, now: Timestamp, limit: u64) -> Result<Vec<MailId>, DbError> {
    let ids: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(is_due(now))
        .order_by_asc(Column::NextAttemptAt)
        .limit(limit)
        .into_tuple()
        .all(db.connection())
        .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// When the mail that has been due for longest became due, of those that nobody holds.
pub async fn oldest_due(db: &impl Executor, now: Timestamp) -> Result<Option<Timestamp>, DbError> {
    Ok(Entity::find()
        .select_only()
        .column(Column::NextAttemptAt)
        .filter(is_due(now))
        .order_by_asc(Column::NextAttemptAt)
        .into_tuple()
        .one(db.connection())
        .await?)
}

/// How many mails are in each state that ends or should end soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Due, and nobody holds them.
    pub due: u64,
    /// To be tried again later.
    pub waiting: u64,
    /// Held by a worker.
    pub sending: u64,
    /// Given up.
    pub dead: u64,
}

/// Counts the mails that are not over, and those given up. Mails sent or cancelled are the most
/// by far, and left alone.
pub async fn backlog(db: &impl Executor, now: Timestamp) -> Result<Backlog, DbError> {
    let count = async |condition: Condition| {
        let query = Entity::find()
            .select_only()
            .column_as(Column::Id.count(), "mails")
            .filter(condition);
        let count: Option<i64> = query.into_tuple().one(db.connection()).await?;
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

/// What came of a leased mail.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// A provider took it.
    Sent {
        /// Which one.
        provider: &'a str,
    },
    /// To be tried again.
    Retry {
        /// Which provider failed.
        provider: &'a str,
        /// What it said.
        error: &'a str,
        /// When to try.
        at: Timestamp,
    },
    /// Given up.
    Dead {
        /// Which provider failed.
        provider: &'a str,
        /// What it said.
        error: &'a str,
    },
    /// Not worth sending any more.
    Cancelled,
}

/// Records what came of the `attempt`-th try and lets go of the lease. `false` if the lease had
/// run out and somebody else took the mail since: then nothing is changed.
pub async fn finish(
    db: &impl Executor,
    id: MailId,
    attempt: u32,
    now: Timestamp,
    outcome: Outcome<'_>,
) -> Result<bool, DbError> {
    let mut row = ActiveModel {
        leased_until: Set(None),
        ..Default::default()
    };
    let state = match outcome {
        Outcome::Sent { provider } => {
            row.provider = Set(Some(provider.to_owned()));
            row.sent_at = Set(Some(now));
            row.last_error = Set(None);
            MailState::Sent
        }
        Outcome::Retry {
            provider,
            error,
            at,
        } => {
            row.provider = Set(Some(provider.to_owned()));
            row.last_error = Set(Some(error.to_owned()));
            row.next_attempt_at = Set(at);
            MailState::Pending
        }
        Outcome::Dead { provider, error } => {
            row.provider = Set(Some(provider.to_owned()));
            row.last_error = Set(Some(error.to_owned()));
            MailState::Dead
        }
        Outcome::Cancelled => MailState::Cancelled,
    };
    row.state = Set(state.name().to_owned());
    let result = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(MailState::Pending.name()))
        .filter(Column::Attempts.eq(to_column(attempt)))
        .exec(db.connection())
        .await?;
    Ok(changed(&result))
}

/// Cancels what is still to be sent about an account or to its address, and forgets whom it was
/// for in what was.
pub async fn erase_of_user(
    db: &impl Executor,
    user_id: UserId,
    email: &EmailAddress,
) -> Result<(), DbError> {
    let theirs = Condition::any()
        .add(Column::UserId.eq(user_id))
        .add(Column::Recipient.eq(email.as_str()));
    Entity::update_many()
        .col_expr(Column::State, MailState::Cancelled.name().into())
        .filter(theirs.clone())
        .filter(Column::State.eq(MailState::Pending.name()))
        .exec(db.connection())
        .await?;
    Entity::update_many()
        .col_expr(Column::Recipient, "erased".into())
        .col_expr(Column::Params, serde_json::json!({}).into())
        .col_expr(Column::UserId, Option::<Uuid>::None.into())
        .filter(theirs)
        .exec(db.connection())
        .await?;
    Ok(())
}

/// The state in the text of the statement, not as a parameter, so that a partial index serves.
fn in_state(state: MailState) -> Condition {
    let name = Expr::cust(format!("'{}'", state.name()));
    Condition::all().add(Expr::col(Column::State).eq(name))
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

    fn try_from(row: Model) -> Result<Self, DbError> {
        let corrupt = |error: &dyn std::fmt::Display| {
            DbError::Corrupt(format!("outbox mail {}: {error}", row.id))
        };
        Ok(Self {
            id: row.id.into(),
            kind: row.kind.parse().map_err(|error| corrupt(&error))?,
            params: serde_json::from_value(row.params.clone()).map_err(|error| corrupt(&error))?,
            recipient: EmailAddress::from_canonical(row.recipient),
            user_id: row.user_id.map(Into::into),
            refers_to: row.refers_to,
            attempts: from_column(row.attempts),
            created_at: row.created_at,
        })
    }
}
