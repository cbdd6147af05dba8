//! Credentials in a table of their own, and how a session was opened.
//!
//! The previous release reads and writes `users.password_hash`. While both releases run, triggers
//! keep the column and the password in `credentials` equal. The next release drops the triggers and
//! the column.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    pk_uuid, string, string_null, text, timestamp_with_time_zone as timestamp,
    timestamp_with_time_zone_null as timestamp_null, uuid,
};
use sea_orm_migration::sea_orm::DatabaseBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Copies a password to `credentials`. Its id is the user's: there is only one password per user.
const COPY_PASSWORD: &str = "INSERT INTO credentials (id, user_id, kind, data, created_at)
    VALUES (NEW.id, NEW.id, 'password', NEW.password_hash, NEW.updated_at)
    ON CONFLICT (user_id) WHERE kind = 'password'
    DO UPDATE SET data = excluded.data WHERE credentials.data <> excluded.data;";
const DELETE_COPY: &str = "DELETE FROM credentials WHERE user_id = NEW.id AND kind = 'password';";
const COPY_BACK: &str = "UPDATE users SET password_hash = NEW.data
    WHERE id = NEW.user_id AND (password_hash IS NULL OR password_hash <> NEW.data);";
const CLEAR_COLUMN: &str = "UPDATE users SET password_hash = NULL
    WHERE id = OLD.user_id AND password_hash IS NOT NULL;";

/// Name, event, condition and body of each trigger.
const TRIGGERS: [(&str, &str, &str, &str); 6] = [
    (
        "users_password_inserted",
        "INSERT ON users",
        "NEW.password_hash IS NOT NULL",
        COPY_PASSWORD,
    ),
    (
        "users_password_set",
        "UPDATE OF password_hash ON users",
        "NEW.password_hash IS NOT NULL",
        COPY_PASSWORD,
    ),
    (
        "users_password_removed",
        "UPDATE OF password_hash ON users",
        "NEW.password_hash IS NULL",
        DELETE_COPY,
    ),
    (
        "credentials_password_inserted",
        "INSERT ON credentials",
        "NEW.kind = 'password'",
        COPY_BACK,
    ),
    (
        "credentials_password_set",
        "UPDATE OF data ON credentials",
        "NEW.kind = 'password'",
        COPY_BACK,
    ),
    (
        "credentials_password_deleted",
        "DELETE ON credentials",
        "OLD.kind = 'password'",
        CLEAR_COLUMN,
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("credentials")
                    .col(pk_uuid("id"))
                    .col(uuid("user_id"))
                    .col(string("kind"))
                    .col(text("data"))
                    .col(timestamp("created_at"))
                    .col(timestamp_null("last_used_at"))
                    .foreign_key(
                        ForeignKey::create()
                            .name("credentials_user_id_fkey")
                            .from("credentials", "user_id")
                            .to("users", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        let mut of_user = Index::create();
        of_user
            .name("credentials_user_id")
            .table("credentials")
            .col("user_id");
        manager.create_index(of_user).await?;
        // Users may have several credentials of the kinds to come. In the text of the statement, so
        // that the triggers can name the condition.
        let connection = manager.get_connection();
        connection
            .execute_unprepared(
                "CREATE UNIQUE INDEX credentials_one_password ON credentials (user_id)
                WHERE kind = 'password'",
            )
            .await?;
        let (on_users, on_credentials) = TRIGGERS.split_at(3);
        // Before the rows are copied: on PostgreSQL this locks the table against writers.
        create_triggers(manager, on_users).await?;
        connection
            .execute_unprepared(
                "INSERT INTO credentials (id, user_id, kind, data, created_at)
                SELECT id, id, 'password', password_hash, created_at FROM users
                WHERE password_hash IS NOT NULL",
            )
            .await?;
        create_triggers(manager, on_credentials).await?;
        // NULL in sessions that the previous release opens. SQLite adds one column at a time.
        for column in [string_null("method"), timestamp_null("authenticated_at")] {
            let mut sessions = Table::alter();
            sessions.table("sessions").add_column(column);
            manager.alter_table(sessions).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let is_postgres = manager.get_database_backend() == DatabaseBackend::Postgres;
        for (name, event, ..) in TRIGGERS {
            let (_, table) = event.rsplit_once(" ON ").unwrap_or_default();
            let drop = if is_postgres {
                format!("DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}()")
            } else {
                format!("DROP TRIGGER {name}")
            };
            connection.execute_unprepared(&drop).await?;
        }
        manager
            .drop_table(Table::drop().table("credentials").to_owned())
            .await?;
        // Last, because requests lock sessions after users.
        for column in ["authenticated_at", "method"] {
            let mut sessions = Table::alter();
            sessions.table("sessions").drop_column(column);
            manager.alter_table(sessions).await?;
        }
        Ok(())
    }
}

/// A trigger of SQLite has a body; one of PostgreSQL calls a function.
async fn create_triggers(
    manager: &SchemaManager<'_>,
    triggers: &[(&str, &str, &str, &str)],
) -> Result<(), DbErr> {
    let is_postgres = manager.get_database_backend() == DatabaseBackend::Postgres;
    for (name, event, condition, body) in triggers {
        let create = if is_postgres {
            format!(
                "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN {body} RETURN NULL; END $$;
                CREATE TRIGGER {name} AFTER {event}
                FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {name}()"
            )
        } else {
            format!("CREATE TRIGGER {name} AFTER {event} WHEN {condition} BEGIN {body} END")
        };
        manager.get_connection().execute_unprepared(&create).await?;
    }
    Ok(())
}
