#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod calls;
mod files;
mod heard;
mod migrations;
mod outage;
mod reverts;
mod servers;
mod sessions;
mod shortages;
mod starts;
mod store;
mod transactions;
mod types;
mod uniques;
