#![doc = include_str!("../README.md")]

mod command;
mod config;
mod controllers;
mod limits;
mod openapi;
mod problem;
mod routes;
mod state;
mod tasks;
mod views;

// Open to tests alone.
#[cfg(not(feature = "testing"))]
mod models;
#[cfg(feature = "testing")]
pub mod models;

use ud_config::{DatabaseConfig, Loader};
use ud_db::{Db, Migrations};
use ud_http::{MigrateArguments, Mounted, Readiness, Revert, ServiceBinary};
use ud_kernel::{Service, StartError};
use ud_service::ServiceContext;
use utoipa::openapi::OpenApi;

pub use command::RoleCommand;
pub use config::RoleConfig;
use models::NamesLimit;
use state::RoleState;

/// Migrations of this service's own tables.
pub static MIGRATIONS: Migrations = Migrations {
    sqlite: diesel_migrations::embed_migrations!("../../migrations/role/sqlite"),
    postgres: diesel_migrations::embed_migrations!("../../migrations/role/postgres"),
    mysql: diesel_migrations::embed_migrations!("../../migrations/role/mysql"),
};

/// All migrations of this service's database.
pub static ALL_MIGRATIONS: [&Migrations; 2] = [&MIGRATIONS, &ud_events::MIGRATIONS];

/// The role service.
#[derive(Debug)]
pub enum RoleService {}

impl ServiceBinary for RoleService {
    const SERVICE: Service = Service::Role;
    const LIMITED: &[ud_service::limits::Operation] = limits::OPERATIONS;

    type Config = RoleConfig;

    fn database(config: &Self::Config) -> Option<&DatabaseConfig> {
        Some(&config.database)
    }

    type Command = RoleCommand;

    fn load(loader: &mut Loader) -> RoleConfig {
        RoleConfig::load(loader)
    }

    async fn build(config: RoleConfig, context: ServiceContext) -> Result<Mounted, StartError> {
        let db = Db::start(
            &config.database,
            Service::Role,
            &ALL_MIGRATIONS,
            &context.metrics,
        )
        .await?;
        let guard = context.guard()?;
        let names = NamesLimit::new(guard.verifier().clone());
        let state = RoleState::new(&context, &db, names);
        let mut tasks = state.events.tasks();
        tasks.push(tasks::remove_ended(&state));
        tasks.push(tasks::watch_reservations(&state));
        Ok(Mounted {
            service: Service::Role,
            prefixes: routes::PREFIXES,
            openapi: openapi::document(),
            public: routes::public(&state),
            internal: routes::internal(&state),
            guard: guard.with_limits(context.limits(Self::LIMITED, &config.limits, None)?),
            gate: context.gate.clone(),
            readiness: Readiness::new(
                Service::Role,
                vec![("database", db.readiness_check(&ALL_MIGRATIONS))],
                context.peers.clone(),
            ),
            database_descriptors: Self::database_descriptors(&config),
            tasks,
        })
    }

    async fn migrate(config: RoleConfig) -> Result<(), StartError> {
        let db = Db::open(&config.database, Self::SERVICE)?;
        db.migrate(&ALL_MIGRATIONS).await?;
        Ok(())
    }

    async fn revert(config: RoleConfig, arguments: MigrateArguments) -> Result<Revert, StartError> {
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
        command: RoleCommand,
        config: RoleConfig,
        context: ServiceContext,
    ) -> Result<(), StartError> {
        command::run(command, config, context).await
    }

    fn openapi() -> OpenApi {
        openapi::document()
    }
}
