//! The subcommands that auth has beside those of all services.

use std::io::Write as _;

use clap::Subcommand;
use ud_http::{Base, StartError};

use crate::{
    ALL_MIGRATIONS, AuthConfig, AuthState,
    models::reset_flow::{explain, reset_password},
    open, start_error,
};

/// Subcommands of auth.
#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// For the operator of the machine
    #[command(subcommand)]
    Admin(AdminCommand),
}

/// What the operator may do without logging in.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Give an account a new password, print it, and close the account's sessions
    Reset {
        /// Email address or username
        identifier: String,
    },
}

/// Does what the operator asks.
///
/// # Errors
/// If the database does not answer or is not migrated, or there is no such account.
pub async fn run(command: AuthCommand, config: AuthConfig, base: Base) -> Result<(), StartError> {
    let AuthCommand::Admin(AdminCommand::Reset { identifier }) = command;
    let db = open(&config, &base)?;
    let pending = db.pending(&ALL_MIGRATIONS).await.map_err(start_error)?;
    if !pending.is_empty() {
        let text = "the database is not migrated: start the service, or run `migrate`";
        return Err(StartError::config(text));
    }
    let state = AuthState::new(&config, &base, db)?;
    let (user_id, password) = reset_password(&state, &identifier)
        .await
        .map_err(|error| StartError::internal(explain(&error)))?;
    // The one place where the password is shown: never through the logger.
    writeln!(
        std::io::stdout(),
        "New password of user {user_id}: {}",
        password.as_str()
    )
    .map_err(StartError::internal)?;
    log::info!("password of user {user_id} was reset");
    Ok(())
}
