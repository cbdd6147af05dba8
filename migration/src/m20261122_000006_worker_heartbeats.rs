//! Signs of life of the processes that send mail, and an index to count dead mails by.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{string, timestamp_with_time_zone as timestamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("worker_heartbeats")
                    .col(string("name").primary_key())
                    .col(timestamp("seen_at"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("outbox_mails_dead")
                    .table("outbox_mails")
                    .col("id")
                    .and_where(Expr::col("state").eq("dead"))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(
                Index::drop()
                    .name("outbox_mails_dead")
                    .table("outbox_mails")
                    .to_owned(),
            )
            .await?;
        manager
            .drop_table(Table::drop().table("worker_heartbeats").to_owned())
            .await
    }
}
