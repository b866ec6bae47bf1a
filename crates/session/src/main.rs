//! The session service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    ud_http::run::<session_service::SessionService>(env!("CARGO_BIN_NAME"))
}
