//! What is printed when standalone is ready.

use std::io::{self, IsTerminal as _, Write as _};

use secrecy::ExposeSecret as _;
use user_profile_service::BootstrapOutcome;

use crate::administrator::Administrator;

/// Address and documentation page.
pub(crate) fn ready(address: &str, docs: bool) {
    say(&format!("User Domain listens on {address}"));
    if docs {
        say(&format!("API documentation:     {address}/docs/"));
    }
}

/// How the first administrator fared, and on the first start three commands to try.
pub(crate) fn administrator(
    outcome: &BootstrapOutcome,
    administrator: Option<&Administrator>,
    address: &str,
) {
    match (outcome, administrator) {
        (BootstrapOutcome::Created(_), Some(made)) => {
            let email = &made.bootstrap.email;
            say(&format!(
                "First administrator:   {email}, password in {}",
                made.file.display()
            ));
            // Through the terminal alone: standard output of a service ends up in a log.
            if io::stdout().is_terminal() {
                say(&format!(
                    "                       {}",
                    made.bootstrap.password.expose_secret()
                ));
            }
            try_it(address, email, &made.file.display().to_string());
        }
        (BootstrapOutcome::Created(_), None) => say("First administrator:   made as configured"),
        (BootstrapOutcome::Refused(why), _) => say(&format!("No first administrator: {why}")),
        _ => {}
    }
}

fn try_it(address: &str, email: &str, file: &str) {
    let commands = format!(
        r#"
Try:
  TOKEN=$(curl -s {address}/api/v1/auth/login -H 'Content-Type: application/json' \
    -d '{{"identifier":"{email}","password":"'"$(cat {file})"'"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -s {address}/api/v1/users/me -H "Authorization: Bearer $TOKEN"
  curl -s {address}/api/v1/audits -H "Authorization: Bearer $TOKEN"
"#
    );
    say(&commands);
}

fn say(text: &str) {
    // Nobody may be listening; the server runs all the same.
    let _ = writeln!(io::stdout(), "{text}");
}
