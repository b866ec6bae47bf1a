//! All services in one process.

use std::process::ExitCode;

fn main() -> ExitCode {
    standalone::main()
}
