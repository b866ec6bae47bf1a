#![doc = include_str!("../README.md")]

pub mod command;
pub mod config;
pub mod controllers;
pub mod models;
pub mod operator;
pub mod routes;
pub mod state;
pub mod tasks;
pub mod views;

use std::sync::Arc;

use ud_config::Loader;
use ud_db::{Db, DbError, Migrations};
use ud_http::{
    Base, Check, MigrateArguments, Mounted, Readiness, Revert, ServiceBinary, StartError,
};
use ud_kernel::Service;
use ud_seal::RingFile;
use utoipa::openapi::OpenApi;

pub use command::{AdminCommand, AuthCommand};
pub use config::{AuthConfig, AuthLimits};
pub use models::schema::MIGRATIONS;
pub use operator::require_terminal;
pub use state::AuthState;

use models::{error::AuthError, signing_key_store};

/// All migrations of this service's database, its own first.
pub static ALL_MIGRATIONS: [&Migrations; 2] = [&MIGRATIONS, &ud_events::MIGRATIONS];

/// The auth service.
#[derive(Debug)]
pub enum AuthService {}

impl ServiceBinary for AuthService {
    const SERVICE: Service = Service::Auth;

    type Config = AuthConfig;

    fn database_descriptors(config: &Self::Config) -> usize {
        config.database.descriptors()
    }

    type Command = AuthCommand;

    fn load(loader: &mut Loader) -> AuthConfig {
        AuthConfig::load(loader)
    }

    async fn build(config: AuthConfig, base: Base) -> Result<Mounted, StartError> {
        build(&config, &base).await
    }

    async fn migrate(config: AuthConfig, base: Base) -> Result<(), StartError> {
        let db = open(&config, &base)?;
        db.migrate(&ALL_MIGRATIONS)
            .await
            .map(drop)
            .map_err(start_error)
    }

    async fn revert(config: AuthConfig, arguments: MigrateArguments) -> Result<Revert, StartError> {
        let options = config.db_options();
        let db = Db::open_to_revert(&options, Service::Auth, arguments.is_confirmed());
        let db = db.map_err(start_error)?;
        let found = db.next_revert(&ALL_MIGRATIONS, arguments.version()).await;
        let Some(found) = found.map_err(start_error)? else {
            return Ok(Revert::nothing());
        };
        Ok(Revert::of(found.to_string(), async move {
            db.revert(&ALL_MIGRATIONS, found).await.map_err(start_error)
        }))
    }

    async fn run_command(
        command: AuthCommand,
        config: AuthConfig,
        base: Base,
    ) -> Result<(), StartError> {
        command::run(command, config, base).await
    }

    fn openapi() -> OpenApi {
        views::document()
    }
}

/// Builds the service: opens its database, migrates it where that is the service's to do, loads or makes the
/// signing keys, and gives what a server needs to serve it. A database that does not answer is no error: the
/// keys are loaded when it does, and until then whatever needs them answers 503. Nor is a configured ring that does not
/// open them; one in a file is, and is not made anew beside them. The guard in the answer
/// verifies tokens with auth's own keys; a process with several services shares it.
///
/// # Errors
/// If something configured or the ring's file is wrong, or migrating fails.
pub async fn build(config: &AuthConfig, base: &Base) -> Result<Mounted, StartError> {
    let database = config.database.clone();
    let db = Db::start(database, Service::Auth, &ALL_MIGRATIONS, &base.metrics)
        .await
        .map_err(start_error)?;
    let ring = RingFile::of(&config.sealing, Service::Auth)
        .filter(|_| base.tokens.shared_secret.is_none());
    if let Some(ring) = &ring
        && holds_signing_keys(&db).await
    {
        ring.is_there().map_err(StartError::config)?;
    }
    let state = AuthState::new(config, base, db)?;
    match (state.keys.load(true).await, ring) {
        (Ok(_), _) => {}
        (Err(error @ AuthError::KeyDoesNotOpen { .. }), Some(ring)) => {
            return Err(StartError::config(ring.opens_nothing(error)));
        }
        (Err(error), _) => tasks::tell_not_loaded(&error),
    }
    let guard = base
        .guard_with(
            state.keys.source(),
            base.session_checker(&state.keys.source())?,
        )
        .with_log(base.security_log.clone())
        .with_limits(base.limits(&config.limits.operations, config.redis.as_ref())?);
    let mut tasks = state.events.tasks();
    tasks.extend([
        tasks::follow_keys(&state, guard.sessions()),
        tasks::forget_old(&state),
    ]);
    Ok(Mounted {
        service: Service::Auth,
        prefixes: routes::PREFIXES,
        openapi: (routes::OPENAPI, views::document()),
        public: routes::public(&state),
        internal: routes::internal(&state),
        guard,
        gate: base.gate.clone(),
        readiness: Readiness::new(
            Service::Auth,
            vec![
                ("database", database_check(&state)),
                ("signing_keys", keys_check(&state)),
            ],
            base.peers.clone(),
        ),
        database_descriptors: config.database.descriptors(),
        tasks,
    })
}

/// Returns whether auth's database holds signing keys, as far as it answers now: then it is no installation's first start.
///
/// # Errors
/// If its URL is wrong.
pub async fn has_signing_keys(config: &AuthConfig) -> Result<bool, StartError> {
    let db = Db::open(&config.db_options(), Service::Auth).map_err(start_error)?;
    Ok(holds_signing_keys(&db).await)
}

async fn holds_signing_keys(db: &Db) -> bool {
    let found = db.read(signing_key_store::load).await;
    found.is_ok_and(|rows| rows.iter().any(|row| row.revoked_at.is_none()))
}

fn open(config: &AuthConfig, base: &Base) -> Result<Db, StartError> {
    let db = Db::open(&config.db_options(), Service::Auth).map_err(start_error)?;
    db.register_metrics(&base.metrics);
    Ok(db)
}

fn start_error(error: DbError) -> StartError {
    if error.is_configuration() {
        StartError::config(error)
    } else {
        StartError::internal(error)
    }
}

/// The database answers and has every migration.
fn database_check(state: &AuthState) -> Check {
    let db = state.db.clone();
    Arc::new(move || {
        let db = db.clone();
        Box::pin(async move { db.ready(&ALL_MIGRATIONS).await })
    })
}

/// The signing keys have been loaded once.
fn keys_check(state: &AuthState) -> Check {
    let keys = state.keys.clone();
    Arc::new(move || {
        let loaded = keys.get().map(drop).map_err(|e| e.to_string());
        Box::pin(std::future::ready(loaded))
    })
}
