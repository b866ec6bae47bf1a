#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod access;
mod attacks;
mod cache;
mod checker;
mod jwks;
mod key_refresh;
mod keys;
mod primitives;
mod properties;
mod room;
mod service;
mod support;
mod times;
