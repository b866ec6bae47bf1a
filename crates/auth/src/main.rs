//! The auth service as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    ud_http::run::<auth_service::AuthService>(env!("CARGO_BIN_NAME"))
}
