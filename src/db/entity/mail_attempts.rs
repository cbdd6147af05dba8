use sea_orm::entity::prelude::*;

use crate::domain::clock::Timestamp;
use crate::domain::id::MailId;
use crate::domain::mail::AttemptOutcome;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mail_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub mail_id: MailId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: u32,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub outcome: AttemptOutcome,
    pub provider: Option<String>,
    pub error: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
