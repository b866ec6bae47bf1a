//! The HTTP layer as a client sees it: a small service on real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod access;
mod client;
mod connections;
mod edge;
mod limited;
mod operations;
mod pipelines;
mod service;
mod tls;
