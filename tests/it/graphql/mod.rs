//! GraphQL: the schema, limits on documents and persisted queries.

mod fuzz;
mod limits;
mod persisted_queries;
mod schema;
mod specification;
mod values;
