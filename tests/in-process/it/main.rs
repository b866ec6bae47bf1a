//! Refresh tokens, attacked: auth and session as they are, several of each over the same stores, in this process, so
//! that a test holds their clocks, their failpoints and their restarts. What a single service shows by itself is in
//! its own tests, and the whole from outside in the end-to-end tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod acts;
mod administrators;
mod administrators_model;
mod administrators_world;
mod chains;
mod change_races;
mod changes;
mod clocks;
mod ground;
mod interleavings;
mod lifetimes;
mod logout_races;
mod outage;
mod restored;
mod role;
mod room;
mod seen;
mod service;
mod successor;
mod waiting;
mod world;
