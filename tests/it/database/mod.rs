//! The database: migrations, concurrency, query plans and retention.

mod concurrency;
mod query_plans;
mod retention;
