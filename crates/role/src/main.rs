//! The role service as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    ud_http::run::<role_service::RoleService>(env!("CARGO_BIN_NAME"))
}
