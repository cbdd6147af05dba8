//! Queries on the attempts to send mails.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::entity::mail_attempts::{Column, Entity, Model};
use super::{Executor, Result};
use crate::domain::id::MailId;
use crate::domain::mail::MailAttempt;

/// The recorded attempts, in order.
pub async fn of_mail(db: &impl Executor, mail: MailId) -> Result<Vec<MailAttempt>> {
    let rows = Entity::find()
        .filter(Column::MailId.eq(mail))
        .order_by_asc(Column::Number)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(MailAttempt::from).collect())
}

impl From<Model> for MailAttempt {
    fn from(row: Model) -> Self {
        Self {
            number: row.number,
            started_at: row.started_at,
            ended_at: row.ended_at,
            outcome: row.outcome,
            provider: row.provider,
            error: row.error,
        }
    }
}
