//! The profile service.

use std::process::ExitCode;

fn main() -> ExitCode {
    ud_http::run::<user_profile_service::ProfileService>(env!("CARGO_BIN_NAME"))
}
