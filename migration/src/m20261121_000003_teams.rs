//! Teams, who is in them, and who is invited.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    pk_uuid, string, string_null, timestamp_with_time_zone as timestamp,
    timestamp_with_time_zone_null as timestamp_null, uuid, uuid_null, var_binary,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("teams")
                    .col(pk_uuid("id"))
                    .col(string("name"))
                    .col(string_null("description"))
                    .col(timestamp("created_at"))
                    .col(timestamp("updated_at"))
                    .to_owned(),
            )
            .await?;
        let cascade = ForeignKeyAction::Cascade;
        manager
            .create_table(
                Table::create()
                    .table("team_members")
                    .col(pk_uuid("id"))
                    .col(uuid("team_id"))
                    .col(uuid("user_id"))
                    .col(string("role"))
                    .col(timestamp("joined_at"))
                    .foreign_key(&mut foreign_key(
                        "team_members",
                        "team_id",
                        "teams",
                        cascade,
                    ))
                    .foreign_key(&mut foreign_key(
                        "team_members",
                        "user_id",
                        "users",
                        cascade,
                    ))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("invitations")
                    .col(pk_uuid("id"))
                    .col(uuid("team_id"))
                    .col(string("email"))
                    .col(string("role"))
                    .col(uuid_null("invited_by"))
                    .col(var_binary("nonce", 16))
                    .col(timestamp("created_at"))
                    .col(timestamp("expires_at"))
                    .col(timestamp_null("accepted_at"))
                    .col(timestamp_null("declined_at"))
                    .col(timestamp_null("revoked_at"))
                    .foreign_key(&mut foreign_key("invitations", "team_id", "teams", cascade))
                    .foreign_key(&mut foreign_key(
                        "invitations",
                        "invited_by",
                        "users",
                        ForeignKeyAction::SetNull,
                    ))
                    .to_owned(),
            )
            .await?;
        manager
            .alter_table(
                Table::alter()
                    .table("verification_codes")
                    .add_column(uuid_null("invitation_id"))
                    .to_owned(),
            )
            .await?;
        create_indexes(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table("verification_codes")
                    .drop_column("invitation_id")
                    .to_owned(),
            )
            .await?;
        for table in ["invitations", "team_members", "teams"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

async fn create_indexes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut one_membership = Index::create();
    one_membership
        .name("team_members_team_id_user_id")
        .table("team_members")
        .unique();
    manager
        .create_index(one_membership.col("team_id").col("user_id").to_owned())
        .await?;
    // Identifiers rise with time, so these also give the order of joining.
    for (table, column) in [
        ("team_members", "team_id"),
        ("team_members", "user_id"),
        ("invitations", "team_id"),
    ] {
        let mut pages = Index::create();
        pages.name(format!("{table}_{column}_id")).table(table);
        manager
            .create_index(pages.col(column).col("id").to_owned())
            .await?;
    }
    let open = ["accepted_at", "declined_at", "revoked_at"]
        .map(|column| Expr::col(column).is_null())
        .into_iter()
        .fold(Cond::all(), Cond::add);
    let mut one_open = Index::create();
    one_open
        .name("invitations_one_open")
        .table("invitations")
        .unique();
    let one_open = one_open
        .col("team_id")
        .col("email")
        .cond_where(open)
        .to_owned();
    manager.create_index(one_open).await?;
    let mut inviter = Index::create();
    inviter
        .name("invitations_invited_by")
        .table("invitations")
        .col("invited_by");
    manager.create_index(inviter).await
}

fn foreign_key(
    table: &'static str,
    column: &'static str,
    target: &'static str,
    on_delete: ForeignKeyAction,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("{table}_{column}_fkey"))
        .from(table, column)
        .to(target, "id")
        .on_delete(on_delete)
        .to_owned()
}
