#![doc = include_str!("../README.md")]

pub mod command;
pub mod config;
pub mod controllers;
pub mod models;
pub mod routes;
pub mod state;
pub mod tasks;
pub mod views;

use std::sync::Arc;

use diesel_migrations::embed_migrations;
use ud_config::Loader;
use ud_db::{Db, DbError, Migrations};
use ud_http::{
    Base, Check, MigrateArguments, Mounted, Readiness, Revert, ServiceBinary, StartError,
};
use ud_kernel::Service;
use utoipa::openapi::OpenApi;

pub use command::RoleCommand;
pub use config::RoleConfig;
use models::NamesLimit;
use state::RoleState;

/// Migrations of this service's own tables.
pub static MIGRATIONS: Migrations = Migrations {
    sqlite: embed_migrations!("../../migrations/role/sqlite"),
    postgres: embed_migrations!("../../migrations/role/postgres"),
    mysql: embed_migrations!("../../migrations/role/mysql"),
};

/// All migrations of this service's database.
pub static ALL_MIGRATIONS: [&Migrations; 2] = [&MIGRATIONS, &ud_events::MIGRATIONS];

/// The role service.
#[derive(Debug)]
pub enum RoleService {}

impl ServiceBinary for RoleService {
    const SERVICE: Service = Service::Role;

    type Config = RoleConfig;

    fn database_descriptors(config: &Self::Config) -> usize {
        config.database.descriptors()
    }

    type Command = RoleCommand;

    fn load(loader: &mut Loader) -> RoleConfig {
        RoleConfig::load(loader)
    }

    async fn build(config: RoleConfig, base: Base) -> Result<Mounted, StartError> {
        build(&config, &base).await
    }

    async fn migrate(config: RoleConfig, _: Base) -> Result<(), StartError> {
        let db = Db::open(&config.database.into(), Service::Role).map_err(start_error)?;
        db.migrate(&ALL_MIGRATIONS)
            .await
            .map(drop)
            .map_err(start_error)
    }

    async fn revert(config: RoleConfig, arguments: MigrateArguments) -> Result<Revert, StartError> {
        let options = config.database.into();
        let db = Db::open_to_revert(&options, Service::Role, arguments.is_confirmed());
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
        command: RoleCommand,
        config: RoleConfig,
        base: Base,
    ) -> Result<(), StartError> {
        command::run(command, config, base).await
    }

    fn openapi() -> OpenApi {
        views::document()
    }
}

/// Builds the service: opens its database, migrates it where that is the service's to do, and gives what a
/// server needs to serve it.
///
/// # Errors
/// If the database URL is wrong, or migrating fails; not if the database is away and need not be migrated.
pub async fn build(config: &RoleConfig, base: &Base) -> Result<Mounted, StartError> {
    let database = config.database.clone();
    let database_descriptors = config.database.descriptors();
    let db = Db::start(database, Service::Role, &ALL_MIGRATIONS, &base.metrics)
        .await
        .map_err(start_error)?;
    let guard = base.guard()?;
    let names = NamesLimit::new(guard.verifier().clone());
    let state = RoleState::new(base, &db, names);
    let mut tasks = state.events.tasks();
    tasks.push(tasks::remove_ended(&state));
    tasks.push(tasks::watch_reservations(&state));
    Ok(Mounted {
        service: Service::Role,
        prefixes: routes::PREFIXES,
        openapi: (routes::OPENAPI, views::document()),
        public: routes::public(&state),
        internal: routes::internal(&state),
        guard: guard.with_limits(base.limits(&config.limits, None)?),
        gate: base.gate.clone(),
        readiness: Readiness::new(
            Service::Role,
            vec![("database", database_check(db))],
            base.peers.clone(),
        ),
        database_descriptors,
        tasks,
    })
}

fn start_error(error: DbError) -> StartError {
    if error.is_configuration() {
        StartError::config(error)
    } else {
        StartError::internal(error)
    }
}

/// Ready when the database answers and has every migration.
fn database_check(db: Db) -> Check {
    Arc::new(move || {
        let db = db.clone();
        Box::pin(async move { db.ready(&ALL_MIGRATIONS).await })
    })
}
