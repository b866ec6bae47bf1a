//! Flows through the whole platform, each against the binaries behind NGINX and against standalone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod account;
mod administrator;
mod administrator_commands;
mod audit;
mod audit_log;
mod browsers;
mod coming_up;
mod configuration;
mod container_files;
mod contract;
mod data_dir;
mod escalation;
mod existence;
mod feed;
mod floods;
mod foreign;
mod forged_tokens;
mod freezes;
mod gateway;
mod gateway_repeats;
mod gateway_sources;
mod healthcheck;
mod hostile;
mod input;
mod input_cases;
mod internal;
mod keys;
mod late_revocations;
mod lifecycle;
mod limits;
mod limits_of_writes;
mod lost_files;
mod lost_rings;
mod names;
mod openapi;
mod outages;
mod outbox;
mod prices;
mod prices_asked;
mod prices_asked_for_oneself;
mod prices_costs;
mod prices_table;
mod process;
mod races;
mod recent_login;
mod refresh;
mod registration;
mod registration_kills;
mod replicas;
mod reverts;
mod roles;
mod schemathesis;
mod sessions;
mod stop;
mod target;
mod tls;
mod tour;
