//! Queries on tries to send mails.

use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::entity::mail_attempts::{ActiveModel, Column, Entity, Model};
use super::{DbError, Executor, from_column, to_column};
use crate::domain::id::MailId;
use crate::domain::mail::MailAttempt;

/// Adds a try that has ended.
pub async fn insert(db: &impl Executor, mail: MailId, attempt: MailAttempt) -> Result<(), DbError> {
    let row = ActiveModel {
        mail_id: Set(mail.into()),
        number: Set(to_column(attempt.number)),
        started_at: Set(attempt.started_at),
        ended_at: Set(attempt.ended_at),
        outcome: Set(attempt.outcome.name().to_owned()),
        provider: Set(attempt.provider),
        error: Set(attempt.error),
    };
    row.insert(db).await?;
    Ok(())
}

/// Every try to send a mail that came to its end, the first one first.
pub async fn of_mail(db: &impl Executor, mail: MailId) -> Result<Vec<MailAttempt>, DbError> {
    let rows = Entity::find()
        .filter(Column::MailId.eq(mail))
        .order_by_asc(Column::Number)
        .all(db)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

impl TryFrom<Model> for MailAttempt {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let corrupt = |error| DbError::Corrupt(format!("try of mail {}: {error}", row.mail_id));
        Ok(Self {
            number: from_column(row.number),
            started_at: row.started_at,
            ended_at: row.ended_at,
            outcome: row.outcome.parse().map_err(corrupt)?,
            provider: row.provider,
            error: row.error,
        })
    }
}
