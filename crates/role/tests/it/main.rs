#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod administrators;
mod alike;
mod bad_input;
mod built_ins;
mod conspiracy;
mod ends;
mod escalation;
mod events;
mod expiry;
mod holdings;
mod limits;
mod migrations;
mod operations;
mod peers;
mod room;
mod service;
mod standings;
mod stores;
mod support;
mod surface;
mod world;
