//! What the commands on the machine share: who runs them, and where secrets are shown.

use std::{
    fs,
    io::{IsTerminal as _, Write as _, stdout},
};

use ud_http::StartError;

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

/// Returns the user of the operating system that runs this process, for the audit log: `root (uid 0)`.
#[must_use]
pub fn os_user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    match name_of(&users, uid) {
        Some(name) => format!("{name} (uid {uid})"),
        None => format!("uid {uid}"),
    }
}

/// The name of `uid` in the lines of passwd(5).
fn name_of(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found = fields.nth(1)?.parse::<u32>().ok()?;
        (found == uid && !name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(name_of(users, 0), Some("root"));
        assert_eq!(name_of(users, 1000), Some("ada"));
        assert_eq!(name_of(users, 10), None);
        assert!(os_user().contains("uid "));
    }
}
