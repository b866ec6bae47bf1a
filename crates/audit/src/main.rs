//! The audit service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    ud_http::run::<user_audit_service::AuditService>(env!("CARGO_BIN_NAME"))
}
