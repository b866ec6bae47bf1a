#![doc = include_str!("../README.md")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "only tests use this crate: what goes wrong ends the test"
)]

mod answer;
mod attached;
mod balancer;
mod binaries;
mod client;
mod directory;
mod environment;
mod gateway;
mod identities;
mod kept;
mod load;
mod observe;
mod options;
mod person;
mod platform;
mod ports;
mod processes;
mod raw;
mod running;
mod tour;
mod wait;

pub use answer::Answer;
pub use attached::Stack;
pub use binaries::{Release, SERVICES, program_of, standalone};
pub use client::{Call, Client};
pub use directory::{Address, Directory};
pub use gateway::{Gateway, Limits};
pub use identities::Identities;
pub use kept::{Kept, Rows};
pub use load::{Failure, Load};
pub use observe::OWN;
pub use options::Options;
pub use person::{Login, Person, claims_of};
pub use platform::{Links, Platform};
pub use ports::Ports;
pub use raw::{RawAnswer, raw_exchange, raw_request};
pub use running::{Running, run_to_end};
pub use testkit::{Proxy, SecretScanner};
pub use tour::take_the_tour;
pub use wait::{any_below, eventually, rounds, unique};

/// In which form the platform runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Five binaries behind NGINX, on PostgreSQL and Redis.
    Services,
    /// The one binary on SQLite files.
    Standalone,
    /// The containers of `docker-compose.yml`, which somebody else started ([`Platform::attach`]).
    Containers,
}
