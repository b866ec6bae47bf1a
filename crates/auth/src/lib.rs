#![doc = include_str!("../README.md")]

mod command;
mod config;
mod controllers;
mod limits;
mod openapi;
mod operator;
mod problem;
mod routes;
mod state;
mod views;

// Open to tests alone.
#[cfg(not(feature = "testing"))]
mod flows;
#[cfg(feature = "testing")]
pub mod flows;
#[cfg(not(feature = "testing"))]
mod models;
#[cfg(feature = "testing")]
pub mod models;
#[cfg(not(feature = "testing"))]
mod tasks;
#[cfg(feature = "testing")]
pub mod tasks;

use std::sync::Arc;

use ud_config::{DatabaseConfig, Loader};
use ud_db::{Db, Migrations};
use ud_http::{Check, MigrateArguments, Mounted, Readiness, Revert, ServiceBinary};
use ud_kernel::{Service, StartError};
use ud_seal::RingFile;
use ud_service::ServiceContext;
use utoipa::openapi::OpenApi;

pub use command::{AdminCommand, AuthCommand};
pub use config::{AuthConfig, AuthLimits};
pub use flows::reset_password::new_password;
pub use operator::require_terminal;
pub use state::AuthState;

use models::{error::AuthError, signing_key};

/// Migrations of this service's own tables.
pub static MIGRATIONS: Migrations = Migrations {
    sqlite: diesel_migrations::embed_migrations!("../../migrations/auth/sqlite"),
    postgres: diesel_migrations::embed_migrations!("../../migrations/auth/postgres"),
    mysql: diesel_migrations::embed_migrations!("../../migrations/auth/mysql"),
};

/// All migrations of this service's database.
pub static ALL_MIGRATIONS: [&Migrations; 2] = [&MIGRATIONS, &ud_events::MIGRATIONS];

/// The auth service.
#[derive(Debug)]
pub enum AuthService {}

impl ServiceBinary for AuthService {
    const SERVICE: Service = Service::Auth;
    const LIMITED: &[ud_service::limits::Operation] = limits::OPERATIONS;

    type Config = AuthConfig;

    fn database(config: &Self::Config) -> Option<&DatabaseConfig> {
        Some(&config.database)
    }

    fn ring_files(config: &Self::Config) -> Vec<&'static str> {
        let mut rings = config.sealing.ring_files();
        if config.signing.refresh_tokens.is_none() {
            rings.push(state::REFRESH_TOKEN_RING);
        }
        rings
    }

    type Command = AuthCommand;

    fn load(loader: &mut Loader) -> AuthConfig {
        AuthConfig::load(loader)
    }

    async fn build(config: AuthConfig, context: ServiceContext) -> Result<Mounted, StartError> {
        // A database that does not answer is no error: the keys are loaded when it does, and until then whatever needs them
        // answers 503. Nor is a configured ring that does not open them; one in a file is, and is not made anew beside them.
        let db = Db::start(
            &config.database,
            Service::Auth,
            &ALL_MIGRATIONS,
            &context.metrics,
        )
        .await?;
        let ring = RingFile::of(&config.sealing, Service::Auth)
            .filter(|_| context.tokens.shared_secret.is_none());
        if let Some(ring) = &ring
            && holds_signing_keys(&db).await
        {
            ring.is_there().map_err(StartError::config)?;
        }
        let state = AuthState::new(&config, &context, db)?;
        match (state.keys.load(true).await, ring) {
            (Ok(_), _) => {}
            (Err(error @ AuthError::KeyDoesNotOpen { .. }), Some(ring)) => {
                return Err(StartError::config(ring.opens_nothing(error)));
            }
            (Err(error), _) => tasks::tell_not_loaded(&error),
        }
        let guard = context
            .guard_with(
                state.keys.source(),
                context.session_checker(&state.keys.source())?,
            )
            .with_log(context.security_log.clone())
            .with_limits(context.limits(
                Self::LIMITED,
                &config.limits.operations,
                config.redis.as_ref(),
            )?);
        let mut tasks = state.events.tasks();
        tasks.extend([
            tasks::follow_keys(&state, guard.sessions()),
            tasks::forget_old(&state),
        ]);
        Ok(Mounted {
            service: Service::Auth,
            prefixes: routes::PREFIXES,
            openapi: openapi::document(),
            public: routes::public(&state),
            internal: routes::internal(&state),
            guard,
            gate: context.gate.clone(),
            readiness: Readiness::new(
                Service::Auth,
                vec![
                    ("database", state.db.readiness_check(&ALL_MIGRATIONS)),
                    ("signing_keys", keys_check(&state)),
                ],
                context.peers.clone(),
            ),
            database_descriptors: Self::database_descriptors(&config),
            tasks,
        })
    }

    async fn migrate(config: AuthConfig) -> Result<(), StartError> {
        let db = Db::open(&config.database, Self::SERVICE)?;
        db.migrate(&ALL_MIGRATIONS).await?;
        Ok(())
    }

    async fn revert(config: AuthConfig, arguments: MigrateArguments) -> Result<Revert, StartError> {
        let found = Db::plan_revert(
            &config.database,
            Self::SERVICE,
            &ALL_MIGRATIONS,
            arguments.version(),
            arguments.is_confirmed(),
        )
        .await?;
        Ok(Revert::of(found))
    }

    async fn run_command(
        command: AuthCommand,
        config: AuthConfig,
        context: ServiceContext,
    ) -> Result<(), StartError> {
        command::run(command, config, context).await
    }

    async fn rewrap(config: AuthConfig, context: ServiceContext) -> Result<(), StartError> {
        command::run_rewrap(config, context).await
    }

    fn openapi() -> OpenApi {
        openapi::document()
    }
}

/// Returns whether auth's database holds signing keys, as far as it answers now: then it is no installation's first start.
///
/// # Errors
/// If its URL is wrong.
pub async fn has_signing_keys(config: &AuthConfig) -> Result<bool, StartError> {
    let db = Db::open(&config.database, Service::Auth)?;
    Ok(holds_signing_keys(&db).await)
}

async fn holds_signing_keys(db: &Db) -> bool {
    let found = db.read(signing_key::store::load).await;
    found.is_ok_and(|rows| rows.iter().any(|row| row.revoked_at.is_none()))
}

/// The signing keys have been loaded once.
fn keys_check(state: &AuthState) -> Check {
    let keys = state.keys.clone();
    Arc::new(move || {
        let loaded = keys.get().map(drop).map_err(|e| e.to_string());
        Box::pin(std::future::ready(loaded))
    })
}
