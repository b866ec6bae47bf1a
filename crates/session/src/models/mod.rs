//! M: sessions, their rules, and the two stores that keep them.

mod access;
pub mod error;
pub mod feed;
pub mod feed_tags;
pub mod late_repetition;
pub mod received_event;
pub mod redis_connection;
mod redis_fields;
pub mod redis_outbox;
mod redis_scripts;
pub mod redis_store;
pub mod rotations;
mod schema;
pub mod seen;
pub mod session;
pub mod session_event;
pub mod session_flow;
mod session_row;
pub mod session_store;
mod sqlite_close;
mod sqlite_feed;
mod sqlite_marks;
pub mod sqlite_store;
mod sqlite_tables;
