//! Sessions, their rules, and the two stores that keep them.

mod access;
pub mod error;
pub mod feed;
pub mod feed_tags;
pub mod late_repetition;
pub mod received_event;
pub mod redis;
pub mod rotations;
pub mod seen;
pub mod session;
pub mod session_event;
pub mod session_flow;
pub mod session_store;
pub mod sqlite;
