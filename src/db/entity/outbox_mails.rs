use sea_orm::entity::prelude::*;

use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{MailId, UserId};
use crate::domain::mail::MailState;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox_mails")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MailId,
    pub kind: String,
    pub recipient: EmailAddress,
    pub user_id: Option<UserId>,
    pub refers_to: Option<Uuid>,
    pub params: Json,
    pub state: MailState,
    pub attempts: u32,
    pub next_attempt_at: Timestamp,
    pub leased_until: Option<Timestamp>,
    pub provider: Option<String>,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    pub retried_at: Option<Timestamp>,
    pub attempts_before: u32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
