//! Where the commands on the machine show secrets.

use std::io::{IsTerminal as _, Write as _, stdout};

use ud_kernel::StartError;

/// Refuses to go on where what is printed would end up in a file, a pipe or a log.
///
/// # Errors
/// If standard output is not a terminal.
pub fn require_terminal() -> Result<(), StartError> {
    if stdout().is_terminal() {
        return Ok(());
    }
    Err(StartError::config(
        "standard output is not a terminal, and a secret is shown on a terminal only: run the command in one \
         (`docker exec -it`, `kubectl exec -it`, `ssh -t`)",
    ))
}

/// Shows a line with a secret on the terminal: the one place where that happens, and never through the logger.
///
/// # Errors
/// If standard output is not a terminal, or cannot be written.
pub fn show(line: &str) -> Result<(), StartError> {
    require_terminal()?;
    writeln!(stdout(), "{line}").map_err(StartError::internal)
}
