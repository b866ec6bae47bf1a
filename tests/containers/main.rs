//! The platform in containers: what `docker compose up` promises. `make test-compose` brings the stack up; every test leaves it
//! as it found it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod alone;
mod configuration;
mod deploy;
mod deployments;
mod gateway;
mod hardening;
mod restore;
mod secrets;
mod stack;
mod standalone;
mod upgrade;
