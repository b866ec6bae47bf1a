//! The audit log and its rules.

pub mod error;
pub mod key_store;
pub mod record;
pub mod record_flow;
pub mod record_store;
pub mod schema;
