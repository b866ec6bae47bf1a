//! Auth against real databases. Role and session are invented: what they answer is part of each test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod alike;
mod attempts;
mod bad_input;
mod breached;
mod counting;
mod credentials;
mod device_tokens;
mod events;
mod evidence;
mod foreign_hashes;
mod gates;
mod introspection;
mod key_followers;
mod key_rotation;
mod login;
mod logout;
mod migrations;
mod nat;
mod password_change;
mod password_reset;
mod peers;
mod places;
mod presented;
mod reauthenticate;
mod refresh;
mod revoke_all;
mod room;
mod signing_keys;
mod stores;
mod throttle_counts;
mod throttling;
mod throttling_neighbours;
mod timing;
mod unlock;
mod world;
