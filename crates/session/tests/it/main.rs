//! The session service's integration tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod alike;
mod app;
mod feed;
mod feed_claims;
mod following;
mod internal_routes;
mod model;
mod model_rules;
mod outbox;
mod public_requests;
mod public_routes;
mod received_events;
mod redis_server;
mod relay;
mod slow_reader;
mod sqlite;
mod store_behind;
mod store_clocks;
mod store_close;
mod store_create;
mod store_keys;
mod store_late;
mod store_lifetimes;
mod store_not_before;
mod store_rotate;
mod support;
mod version_before;
