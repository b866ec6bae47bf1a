//! From the last release to this one and back, as docs/UPGRADING.md promises it: programs of both beside each other, replaced
//! under load. The binaries of the last release are in `TEST_OLD_BIN_DIR`; `make test-upgrade` builds them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests, which print what they measured"
)]

mod audited;
mod crew;
mod files;
mod journey;
mod mix;
mod rolling;
