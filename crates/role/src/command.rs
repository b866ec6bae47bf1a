//! The subcommands that role has beside those of all services.

use std::io::Write as _;

use clap::Subcommand;
use ud_db::Db;
use ud_http::operator;
use ud_kernel::{Service, StartError, UserId};
use ud_service::ServiceContext;

use crate::{
    ALL_MIGRATIONS, RoleConfig,
    models::{RoleError, admin_grant_flow::grant},
};

/// Subcommands of role.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// For the operator of the machine
    #[command(subcommand)]
    Admin(AdminCommand),
}

impl RoleCommand {
    /// `admin grant`.
    #[must_use]
    pub const fn grant(user_id: UserId) -> Self {
        Self::Admin(AdminCommand::Grant { user_id })
    }
}

/// What the operator may do without logging in.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Make a user an administrator
    Grant {
        /// The user's id, which `user-profile-service admin reactivate` prints
        user_id: UserId,
    },
}

/// Does what the operator asks.
///
/// # Errors
/// If the database does not answer or is not migrated; see [`grant`].
pub async fn run(
    command: RoleCommand,
    config: RoleConfig,
    context: ServiceContext,
) -> Result<(), StartError> {
    let RoleCommand::Admin(AdminCommand::Grant { user_id }) = command;
    let db = Db::open_migrated(&config.database, Service::Role, &ALL_MIGRATIONS).await?;
    let (clock, by) = (context.clock.clone(), operator());
    let made = db
        .tx(move |conn| grant(conn, user_id, &by, &clock))
        .await
        .map_err(|error| StartError::internal(explain(&error)))?;
    let text = match made {
        Some(_) => format!("User {user_id} is an administrator now."),
        None => format!("User {user_id} is an administrator already."),
    };
    writeln!(std::io::stdout(), "{text}").map_err(StartError::internal)?;
    log::info!("user {user_id} was made administrator on this machine");
    Ok(())
}

/// What the operator is told when nothing was granted.
fn explain(error: &RoleError) -> String {
    match error {
        RoleError::UnknownUser => "the user was deleted".to_owned(),
        RoleError::UserInactive => {
            "the profile service is changing the account's status: try again in a minute".to_owned()
        }
        other => other.to_string(),
    }
}
