//! The profile service on each of the three databases: its stores, and the service on real sockets with stand-ins
//! for auth and role.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod accounts;
mod acting;
mod alike;
mod bad_input;
mod bootstrap;
mod lists;
mod migrations;
mod operations;
mod peers;
mod registration;
mod rewrap;
mod standings;
mod standings_restored;
mod status;
mod stores;
mod sweeper;
mod world;
