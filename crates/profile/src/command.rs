//! The subcommands of this service.

use std::io::Write as _;

use clap::Subcommand;
use serde_json::Value;
use ud_db::{Db, DbConn};
use ud_http::operator;
use ud_idempotency::IdempotencyKeys;
use ud_kernel::{Service, StartError, Timestamp, UserId, models::Provenance};
use ud_seal::Sealer;
use ud_service::ServiceContext;

use crate::{
    ALL_MIGRATIONS, ProfileConfig,
    models::{ProfileError, reactivate, user::User, user_store},
};

/// Subcommands of profile.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// For the operator of the machine
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Rewrap what is sealed under older keys with the first of PROFILE_KEY_ENCRYPTION_KEYS
    #[command(alias = "reseal")]
    Rewrap,
}

impl ProfileCommand {
    /// `admin reactivate`.
    #[must_use]
    pub const fn reactivate(identifier: String) -> Self {
        Self::Admin(AdminCommand::Reactivate { identifier })
    }
}

/// What the operator may do without logging in.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Let a suspended user log in again, say again to every service that they can, and print the user's id
    Reactivate {
        /// Email address, username, or id
        identifier: String,
    },
}

/// Does what the operator asks.
///
/// # Errors
/// If the database does not answer or is not migrated; see each command.
pub(crate) async fn run(
    command: ProfileCommand,
    config: ProfileConfig,
    context: &ServiceContext,
) -> Result<(), StartError> {
    match command {
        ProfileCommand::Admin(AdminCommand::Reactivate { identifier }) => {
            let user_id = admin_reactivate(config, context, identifier).await?;
            let text = format!("User {user_id} is active.");
            writeln!(std::io::stdout(), "{text}").map_err(StartError::internal)
        }
        ProfileCommand::Rewrap => run_rewrap(config).await,
    }
}

/// Runs `rewrap`.
///
/// # Errors
/// If the database does not answer or is not migrated, or a key is missing in the ring.
pub(crate) async fn run_rewrap(config: ProfileConfig) -> Result<(), StartError> {
    let sealer =
        Sealer::from_config(&config.sealing, Service::Profile).map_err(StartError::config)?;
    let db = Db::open_migrated(&config.database, Service::Profile, &ALL_MIGRATIONS).await?;
    let moved = IdempotencyKeys::rewrap(&db, &sealer)
        .await
        .map_err(StartError::internal)?;
    log::info!("{} values rewrapped", u8::from(moved));
    Ok(())
}

/// Lets the user of `identifier` log in again, and writes the event that tells auth; the running service delivers it,
/// or the next start. Returns the user's id.
///
/// # Errors
/// If there is no such user, or the database fails.
pub async fn admin_reactivate(
    config: ProfileConfig,
    context: &ServiceContext,
    identifier: String,
) -> Result<UserId, StartError> {
    let db = Db::open_migrated(&config.database, Service::Profile, &ALL_MIGRATIONS).await?;
    let (now, by) = (context.clock.now(), operator());
    let user = db
        .tx(move |conn| reactivate_in(conn, &identifier, &by, now))
        .await
        .map_err(|error| match error {
            ProfileError::NotFound => {
                StartError::internal("no user has this email address, username or id")
            }
            other => StartError::internal(other),
        })?;
    log::info!("user {} was reactivated on this machine", user.id);
    Ok(user.id)
}

fn reactivate_in(
    conn: &mut DbConn,
    identifier: &str,
    operator: &Value,
    now: Timestamp,
) -> Result<User, ProfileError> {
    let found = user_store::find_named(conn, identifier)?;
    let user = found
        .filter(|user| user.status.is_visible())
        .ok_or(ProfileError::NotFound)?;
    reactivate(conn, user, &Provenance::default(), Some(operator), now)
}
