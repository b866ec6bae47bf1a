//! Auth against real databases. Role and session are invented: what they answer is part of each test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod bad_input;
mod breached;
mod credentials;
mod events;
mod fence;
mod foreign_hashes;
mod guess_limit;
mod guessing;
mod introspection;
mod key_followers;
mod key_rotation;
mod login;
mod logout;
mod migrations;
mod password_change;
mod password_reset;
mod peers;
mod presented;
mod reauthenticate;
mod refresh;
mod signing_keys;
mod stores;
mod timing;
mod world;
