//! Mails to be sent, inserted in the transaction of the change that they report.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    integer, json, pk_uuid, string, string_null, text_null, timestamp_with_time_zone as timestamp,
    timestamp_with_time_zone_null as timestamp_null, uuid_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("outbox_mails")
                    .col(pk_uuid("id"))
                    .col(string("kind"))
                    .col(string("recipient"))
                    .col(uuid_null("user_id"))
                    .col(uuid_null("refers_to"))
                    .col(json("params"))
                    .col(string("state"))
                    .col(integer("attempts"))
                    .col(timestamp("next_attempt_at"))
                    .col(timestamp_null("leased_until"))
                    .col(string_null("provider"))
                    .col(text_null("last_error"))
                    .col(timestamp("created_at"))
                    .col(timestamp_null("sent_at"))
                    .to_owned(),
            )
            .await?;
        for column in ["refers_to", "user_id"] {
            let mut index = Index::create();
            index
                .name(format!("outbox_mails_{column}"))
                .table("outbox_mails")
                .col(column);
            manager.create_index(index).await?;
        }
        // The sweeper asks for pending rows only, of which there are few among many.
        manager
            .create_index(
                Index::create()
                    .name("outbox_mails_due")
                    .table("outbox_mails")
                    .col("next_attempt_at")
                    .and_where(Expr::col("state").eq("pending"))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("outbox_mails").to_owned())
            .await
    }
}
