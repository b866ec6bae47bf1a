#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod http;
mod inbox;
mod kill;
mod migrations;
mod outbox;
mod pace;
mod relay;
mod running;
mod security_events;
mod servers;
mod wire;
mod world;
