#![doc = include_str!("../README.md")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "only tests use this crate: what goes wrong ends the test"
)]

#[cfg(feature = "service")]
mod alike;
mod child;
mod database;
mod gates;
mod issuer;
mod ports;
mod process;
mod proxy;
mod redis;
mod secret_scanner;
mod statement;

pub mod packages;
pub mod servers;
#[cfg(feature = "service")]
pub mod service;

#[cfg(feature = "service")]
pub use alike::{assert_reverts, assert_store_failures};
pub use child::{Child, Pipes, command, spawn, spawn_in_group};
pub use database::{Backend, TestDatabase, databases, redis_url};
pub use gates::{Arrival, Gate, Gates};
pub use issuer::{
    AUDIENCE, ISSUER, TestIdentities, TestIssuer, database_config, new_key_ring, no_limits, sealing,
};
pub use ports::{free_port, free_ports};
pub use process::{Process, http_get};
pub use proxy::Proxy;
pub use redis::RedisServer;
pub use rustix::process::Signal;
pub use secret_scanner::{SecretScanner, secrets};

/// The command that sets the `TEST_*_URL`s.
pub const COMMAND: &str = "cargo run -p testkit -- with -- cargo nextest run";
