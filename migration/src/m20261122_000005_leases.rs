//! Who runs a schedule, and the indexes by which its clean-up finds what is over.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{string, timestamp_with_time_zone as timestamp, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// When each row came, or will come, to its end. Plain SQL, the same for both databases: the
/// builder has no indexes on expressions for SQLite.
const ENDS: [(&str, &str); 6] = [
    (
        "verification_codes_expires_at",
        "verification_codes (expires_at)",
    ),
    ("sessions_expires_at", "sessions (expires_at)"),
    (
        "sessions_revoked_at",
        "sessions (revoked_at) WHERE revoked_at IS NOT NULL",
    ),
    ("invitations_expires_at", "invitations (expires_at)"),
    (
        "invitations_closed_at",
        "invitations (COALESCE(accepted_at, declined_at, revoked_at))",
    ),
    (
        "outbox_mails_ended_at",
        "outbox_mails (COALESCE(sent_at, next_attempt_at)) WHERE state <> 'pending'",
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("leases")
                    .col(string("name").primary_key())
                    .col(uuid("holder"))
                    .col(timestamp("held_until"))
                    .to_owned(),
            )
            .await?;
        for (name, of) in ENDS {
            let create = format!("CREATE INDEX {name} ON {of}");
            manager.get_connection().execute_unprepared(&create).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in ENDS {
            let drop = format!("DROP INDEX {name}");
            manager.get_connection().execute_unprepared(&drop).await?;
        }
        manager
            .drop_table(Table::drop().table("leases").to_owned())
            .await
    }
}
