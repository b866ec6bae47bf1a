//! Tests of how the repository is delivered: workflows, the scripts they call, and the list of services.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod breaks;
mod breaks_of_ours;
mod callees;
mod callees_of_one_push;
mod changes;
mod compose;
mod fake;
mod filters;
mod gate;
mod generated;
mod images;
mod instance;
mod lists;
mod policies;
mod release;
mod safety;
mod services;
mod tables;
mod whole;
