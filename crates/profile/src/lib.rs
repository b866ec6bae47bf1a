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

use std::sync::Arc;

use ud_config::{DatabaseConfig, Loader};
use ud_db::{Db, Migrations};
use ud_events::SqlEvents;
use ud_http::{
    Check, MigrateArguments, Mounted, PendingRevocations, Readiness, Revert, ServiceBinary,
};
use ud_idempotency::ServerKey;
use ud_kernel::{Service, StartError};
use ud_service::ServiceContext;
use utoipa::openapi::OpenApi;

pub use command::{AdminCommand, ProfileCommand, admin_reactivate};
pub use config::ProfileConfig;
pub use models::{Bootstrap, BootstrapOutcome, BootstrapReport};
pub use state::ProfileState;

use models::{AccountFlow, BootstrapFlow, RegistrationFlow, Rights, Standings, Sweeper};

/// The tables of this service. Those of its events are [`ud_events::MIGRATIONS`].
pub static MIGRATIONS: Migrations = Migrations {
    sqlite: diesel_migrations::embed_migrations!("../../migrations/profile/sqlite"),
    postgres: diesel_migrations::embed_migrations!("../../migrations/profile/postgres"),
    mysql: diesel_migrations::embed_migrations!("../../migrations/profile/mysql"),
};

/// Everything in this service's database.
pub static ALL_MIGRATIONS: [&Migrations; 2] = [&MIGRATIONS, &ud_events::MIGRATIONS];

/// The service, for the command line and for standalone.
#[derive(Debug)]
pub enum ProfileService {}

impl ServiceBinary for ProfileService {
    const SERVICE: Service = Service::Profile;
    const LIMITED: &[ud_service::limits::Operation] = limits::OPERATIONS;

    type Config = ProfileConfig;

    fn database(config: &Self::Config) -> Option<&DatabaseConfig> {
        Some(&config.database)
    }

    fn ring_files(config: &Self::Config) -> Vec<&'static str> {
        config.sealing.ring_files()
    }

    type Command = ProfileCommand;

    fn load(loader: &mut Loader) -> ProfileConfig {
        ProfileConfig::load(loader)
    }

    async fn build(config: ProfileConfig, context: ServiceContext) -> Result<Mounted, StartError> {
        let database_descriptors = Self::database_descriptors(&config);
        let db = Db::start(
            &config.database,
            Service::Profile,
            &ALL_MIGRATIONS,
            &context.metrics,
        )
        .await?;
        let limits = context.limits(Self::LIMITED, &config.limits, config.redis.as_ref())?;
        let events = SqlEvents::new(db.clone(), &context);
        let outbox = events.handle().clone();
        let (auth, role) = (
            context.peers.client(Service::Auth),
            context.peers.client(Service::Role),
        );
        let (clock, failpoints) = (context.clock.clone(), context.failpoints.clone());
        let key = ServerKey::start(&db, &config.sealing, Service::Profile, &clock)
            .await
            .map_err(StartError::config)?;
        let registration = RegistrationFlow::new(
            db.clone(),
            key.clone(),
            auth.clone(),
            outbox.clone(),
            clock.clone(),
            failpoints.clone(),
        );
        let rights = Rights::new(role.clone());
        let standings = Standings::new(db.clone(), role.clone(), clock.clone(), failpoints.clone());
        let accounts = AccountFlow::new(
            db.clone(),
            auth.clone(),
            rights,
            standings.clone(),
            outbox.clone(),
            clock.clone(),
            failpoints,
        );

        let sweeper = Sweeper::new(db.clone(), auth, registration.clone(), clock.clone());
        let mut tasks = events.tasks();
        tasks.push(tasks::open_server_key(key.clone()));
        tasks.push(tasks::sweep(sweeper));
        tasks.push(tasks::sweep_standings(standings));
        match config.bootstrap {
            Some(bootstrap) => {
                let (registration, report) = (registration.clone(), config.bootstrap_report);
                let flow = BootstrapFlow::new(registration, role, clock.clone(), report);
                tasks.push(tasks::bootstrap(flow, bootstrap));
            }
            None => config.bootstrap_report.tell(BootstrapOutcome::NotAsked),
        }

        let state = ProfileState {
            db: db.clone(),
            registration,
            accounts,
            events,
            clock,
            metrics: context.metrics.clone(),
            security_log: context.security_log.clone(),
            revocations: PendingRevocations::new(&context.metrics),
        };
        Ok(Mounted {
            service: Service::Profile,
            prefixes: routes::PREFIXES,
            openapi: openapi::document(),
            public: routes::public(&state),
            internal: routes::internal(&state),
            guard: context.guard()?.with_limits(limits),
            gate: context.gate.clone(),
            readiness: Readiness::new(
                Service::Profile,
                vec![
                    ("database", db.readiness_check(&ALL_MIGRATIONS)),
                    ("server_key", key_check(key)),
                ],
                context.peers.clone(),
            ),
            database_descriptors,
            tasks,
        })
    }

    async fn migrate(config: ProfileConfig) -> Result<(), StartError> {
        let db = Db::open(&config.database, Self::SERVICE)?;
        db.migrate(&ALL_MIGRATIONS).await?;
        Ok(())
    }

    async fn revert(
        config: ProfileConfig,
        arguments: MigrateArguments,
    ) -> Result<Revert, StartError> {
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
        command: ProfileCommand,
        config: ProfileConfig,
        context: ServiceContext,
    ) -> Result<(), StartError> {
        command::run(command, config, &context).await
    }

    async fn rewrap(config: ProfileConfig, _: ServiceContext) -> Result<(), StartError> {
        command::run_rewrap(config).await
    }

    fn openapi() -> OpenApi {
        openapi::document()
    }
}

/// Ready when the key under Idempotency-Keys opens.
fn key_check(key: ServerKey) -> Check {
    Arc::new(move || Box::pin(std::future::ready(key.state())))
}
