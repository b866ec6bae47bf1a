//! Sessions in Redis: every change is one script, which is one atomic action of the server.

pub mod connection;
mod fields;
pub mod outbox;
mod scripts;
pub mod store;
