//! The subcommands that auth has beside those of all services.

use clap::Subcommand;
use ud_db::Db;
use ud_http::operator;
use ud_kernel::{Service, StartError};
use ud_seal::Sealer;
use ud_service::ServiceContext;

use crate::{
    ALL_MIGRATIONS, AuthConfig, AuthState,
    flows::{
        reset_password::{explain, reset_password},
        revoke_all::{RevokedAll, revoke_all},
        rewrap::rewrap,
        unlock::unlock_identifier,
    },
    models::unlock::store::CODE_LIFE,
    operator::{require_terminal, show},
};

/// Subcommands of auth.
#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// For the operator of the machine
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Print a code with which the owner of an account that others keep waiting logs in
    Unlock {
        /// Email address or username
        identifier: String,
    },
    /// Rewrap what is sealed under older keys with the first of AUTH_KEY_ENCRYPTION_KEYS
    #[command(alias = "reseal")]
    Rewrap,
    /// After restoring the database: replace every signing key, close every session
    #[command(alias = "fence")]
    RevokeAll,
}

impl AuthCommand {
    /// `admin reset`.
    #[must_use]
    pub const fn reset(identifier: String, reactivate: bool) -> Self {
        Self::Admin(AdminCommand::Reset {
            identifier,
            reactivate,
        })
    }
}

/// What the operator may do without logging in.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Give an account a new password, print it, and close the account's sessions
    Reset {
        /// Email address or username
        identifier: String,
        /// Also let a suspended account log in again
        #[arg(long)]
        reactivate: bool,
    },
}

/// Does what the operator asks.
///
/// # Errors
/// If the database does not answer or is not migrated; see each command.
pub async fn run(
    command: AuthCommand,
    config: AuthConfig,
    context: ServiceContext,
) -> Result<(), StartError> {
    let state = async |config: AuthConfig| {
        let db = Db::open_migrated(&config.database, Service::Auth, &ALL_MIGRATIONS).await?;
        AuthState::new(&config, &context, db)
    };
    match command {
        AuthCommand::Admin(AdminCommand::Reset {
            identifier,
            reactivate,
        }) => reset(&state(config).await?, &identifier, reactivate).await,
        AuthCommand::Unlock { identifier } => unlock(&state(config).await?, &identifier).await,
        AuthCommand::Rewrap => run_rewrap(config, context).await,
        AuthCommand::RevokeAll => {
            let revoked = revoke_all(&state(config).await?).await;
            let RevokedAll { kid, users } = revoked.map_err(StartError::internal)?;
            log::info!("epochs of {users} users raised: their sessions are closed");
            match kid {
                Some(kid) => log::info!("signing key {kid} signs; every other is revoked"),
                None => log::warn!("a shared secret signs: change JWT_SECRET_KEY"),
            }
            Ok(())
        }
    }
}

/// Runs `rewrap`.
///
/// # Errors
/// If the database does not answer or is not migrated, or a key is missing in the ring.
pub(crate) async fn run_rewrap(
    config: AuthConfig,
    context: ServiceContext,
) -> Result<(), StartError> {
    let sealer = Sealer::from_config(&config.sealing, Service::Auth).map_err(StartError::config)?;
    let db = Db::open_migrated(&config.database, Service::Auth, &ALL_MIGRATIONS).await?;
    let moved = rewrap(&db, &sealer, &context.failpoints).await;
    let moved = moved.map_err(StartError::internal)?;
    log::info!("{moved} values rewrapped");
    Ok(())
}

/// Fails if there is no such account, or it cannot log in.
async fn reset(state: &AuthState, identifier: &str, reactivate: bool) -> Result<(), StartError> {
    // Before anything is changed: otherwise nobody knows the new password.
    require_terminal()?;
    let (user_id, password) = reset_password(state, identifier, reactivate, &operator())
        .await
        .map_err(|error| StartError::internal(explain(&error)))?;
    show(&format!(
        "New password of user {user_id}: {}",
        password.as_str()
    ))?;
    log::info!("password of user {user_id} was reset");
    Ok(())
}

/// Fails if there is no such account.
async fn unlock(state: &AuthState, identifier: &str) -> Result<(), StartError> {
    require_terminal()?;
    let (user_id, code) = unlock_identifier(state, identifier, &operator())
        .await
        .map_err(|error| StartError::internal(explain(&error)))?;
    let minutes = CODE_LIFE.as_secs() / 60;
    show(&format!(
        "Unlock code of user {user_id}, for {minutes} minutes: {}",
        code.as_str()
    ))?;
    log::info!("an unlock code for user {user_id} was made");
    Ok(())
}
