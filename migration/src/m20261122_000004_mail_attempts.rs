//! Every try to send a mail, and mails that an operator has tried again.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    integer, string, string_null, text_null, timestamp_with_time_zone as timestamp,
    timestamp_with_time_zone_null as timestamp_null, uuid,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One statement each: SQLite adds one column at a time.
        for column in [
            timestamp_null("retried_at"),
            // Processes of the version before this one do not write it.
            integer("attempts_before").default(0).to_owned(),
        ] {
            let mut table = Table::alter();
            table.table("outbox_mails").add_column(column);
            manager.alter_table(table).await?;
        }
        manager
            .create_table(
                Table::create()
                    .table("mail_attempts")
                    .col(uuid("mail_id"))
                    .col(integer("number"))
                    .col(timestamp("started_at"))
                    .col(timestamp("ended_at"))
                    .col(string("outcome"))
                    .col(string_null("provider"))
                    .col(text_null("error"))
                    .primary_key(Index::create().col("mail_id").col("number"))
                    .foreign_key(
                        ForeignKey::create()
                            .from("mail_attempts", "mail_id")
                            .to("outbox_mails", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("mail_attempts").to_owned())
            .await?;
        for column in ["attempts_before", "retried_at"] {
            let mut table = Table::alter();
            table.table("outbox_mails").drop_column(column);
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}
