//! The audit log on its three databases: its store, its use cases, and the service as clients, other services
//! and attackers see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod access;
mod alike;
mod canonical;
mod idempotency;
mod input;
mod internal;
mod migrations;
mod outage;
mod pages;
mod rewrap;
mod security_events;
mod service;
mod source;
mod store;
mod world;
