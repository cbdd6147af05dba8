//! The database: migrations, concurrency, query plans and retention.

mod concurrency;
mod credentials;
mod migrations;
mod query_plans;
mod retention;
