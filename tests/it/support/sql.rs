//! Direct access to the database.

use gatelodge::testing::crypto::Keys;
use gatelodge::testing::db::{Db, codes};
use gatelodge::testing::domain::code::Purpose;
use gatelodge::testing::domain::email::EmailAddress;
use sea_orm::{ConnectionTrait, QueryResult, Statement, TryGetable};

use super::deployment::Deployment;

impl Deployment {
    /// Executes a statement and returns the number of changed rows.
    pub(crate) async fn execute(&self, sql: &str) -> u64 {
        let database = self.database().await;
        let done = database.execute_unprepared(sql).await.unwrap();
        database.close().await.unwrap();
        done.rows_affected()
    }

    /// The value of a query that returns one row.
    pub(crate) async fn value<T: TryGetable>(&self, sql: &str) -> T {
        let rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}");
        rows[0].try_get_by_index(0).unwrap()
    }

    pub(crate) async fn count(&self, table_and_condition: &str) -> i64 {
        self.value(&format!("SELECT count(*) FROM {table_and_condition}"))
            .await
    }

    /// The newest code for a purpose and email address, even if it was not mailed.
    pub(crate) async fn derived_code(&self, purpose: &str, email: &str) -> String {
        let config = self.config(&[]);
        let db = Db::connect(&config.database).await.unwrap();
        let (purpose, email) = (
            purpose.parse().unwrap(),
            EmailAddress::parse(email).unwrap(),
        );
        let found = codes::find_newest(&db, purpose, &email).await.unwrap();
        db.close().await.unwrap();
        let code = Keys::new(&config.tokens).code(&found.unwrap(), config.codes.format());
        code.expose().to_owned()
    }

    /// The token of the newest password reset for an email address, even if it was not mailed.
    pub(crate) async fn derived_reset_token(&self, email: &str) -> String {
        let config = self.config(&[]);
        let db = Db::connect(&config.database).await.unwrap();
        let email = EmailAddress::parse(email).unwrap();
        let found = codes::find_newest(&db, Purpose::PasswordReset, &email).await;
        let found = found.unwrap().unwrap();
        db.close().await.unwrap();
        Keys::new(&config.tokens).reset_token(found.id)
    }

    async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let database = self.database().await;
        let statement = Statement::from_string(database.get_database_backend(), sql);
        let rows = database.query_all_raw(statement).await.unwrap();
        database.close().await.unwrap();
        rows
    }
}
