//! Sessions in one SQLite file, for a process that keeps them alone.

mod close;
mod feed;
mod not_before;
mod row;
mod schema;
pub mod store;
mod tables;
