//! Accounts, the codes that prove their addresses, and their sessions.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    boolean, integer, json_null, pk_uuid, string, string_null, string_uniq,
    timestamp_with_time_zone as timestamp, timestamp_with_time_zone_null as timestamp_null, uuid,
    uuid_null, var_binary,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("users")
                    .col(pk_uuid("id"))
                    .col(string_uniq("email"))
                    .col(string_null("password_hash"))
                    .col(string("name"))
                    .col(string_null("first_name"))
                    .col(string_null("last_name"))
                    .col(string_null("phone"))
                    .col(string_null("company"))
                    .col(boolean("is_active"))
                    .col(boolean("is_superuser"))
                    .col(timestamp_null("email_verified_at"))
                    .col(timestamp_null("last_login_at"))
                    .col(timestamp("created_at"))
                    .col(timestamp("updated_at"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("verification_codes")
                    .col(pk_uuid("id"))
                    .col(string("purpose"))
                    .col(string("email"))
                    .col(uuid_null("user_id"))
                    .col(var_binary("nonce", 16))
                    .col(json_null("pending_profile"))
                    .col(integer("attempts"))
                    .col(timestamp("expires_at"))
                    .col(timestamp_null("used_at"))
                    .col(timestamp_null("superseded_at"))
                    .col(timestamp("created_at"))
                    .foreign_key(&mut belongs_to_user("verification_codes"))
                    .to_owned(),
            )
            .await?;
        let live = Expr::col("used_at")
            .is_null()
            .and(Expr::col("superseded_at").is_null());
        manager
            .create_index(
                Index::create()
                    .name("verification_codes_one_live")
                    .table("verification_codes")
                    .col("purpose")
                    .col("email")
                    .unique()
                    .and_where(live)
                    .to_owned(),
            )
            .await?;
        create_index(
            manager,
            "verification_codes",
            &["purpose", "email", "created_at"],
        )
        .await?;
        create_index(manager, "verification_codes", &["user_id"]).await?;
        manager
            .create_table(
                Table::create()
                    .table("sessions")
                    .col(pk_uuid("id"))
                    .col(uuid("user_id"))
                    .col(integer("generation"))
                    .col(timestamp("rotated_at"))
                    .col(timestamp("created_at"))
                    .col(timestamp("last_used_at"))
                    .col(timestamp("expires_at"))
                    .col(timestamp_null("revoked_at"))
                    .col(string_null("revoke_reason"))
                    .col(string_null("user_agent"))
                    .col(string_null("ip_address"))
                    .foreign_key(&mut belongs_to_user("sessions"))
                    .to_owned(),
            )
            .await?;
        create_index(manager, "sessions", &["user_id"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["sessions", "verification_codes", "users"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

fn belongs_to_user(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("{table}_user_id_fkey"))
        .from(table, "user_id")
        .to("users", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

async fn create_index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: &[&'static str],
) -> Result<(), DbErr> {
    let mut index = Index::create()
        .name(format!("{table}_{}", columns.join("_")))
        .table(table)
        .to_owned();
    for column in columns {
        index.col(*column);
    }
    manager.create_index(index).await
}
