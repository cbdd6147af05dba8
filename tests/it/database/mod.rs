//! The database: migrations, concurrency, query plans and retention.

mod concurrency;
mod credentials;
mod query_plans;
mod retention;
