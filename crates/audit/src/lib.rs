#![doc = include_str!("../README.md")]

mod command;

mod config;
mod controllers;
mod limits;
mod openapi;
mod problem;
mod routes;
mod state;
mod views;

// Open to tests alone.
#[cfg(not(feature = "testing"))]
mod models;
#[cfg(feature = "testing")]
pub mod models;

use std::sync::Arc;

use ud_config::{DatabaseConfig, Loader};
use ud_db::{Db, Migrations};
use ud_events::{NewEvent, record_security_events};
use ud_http::{MigrateArguments, Mounted, Readiness, Revert, RewrapCommand, ServiceBinary};
use ud_idempotency::ServerKey;
use ud_kernel::{Service, StartError};
use ud_service::{SecurityEvents, ServiceContext, Task};
use utoipa::openapi::OpenApi;

pub use config::AuditConfig;

use crate::{models::record_flow::RecordFlow, state::AuditState};

/// Migrations of this service's own tables.
pub static MIGRATIONS: Migrations = Migrations {
    sqlite: diesel_migrations::embed_migrations!("../../migrations/audit/sqlite"),
    postgres: diesel_migrations::embed_migrations!("../../migrations/audit/postgres"),
    mysql: diesel_migrations::embed_migrations!("../../migrations/audit/mysql"),
};

/// All migrations of this service's database. It has no outbox: what it does is in its own log.
pub static ALL_MIGRATIONS: [&Migrations; 1] = [&MIGRATIONS];

/// The audit service.
pub struct AuditService;

impl ServiceBinary for AuditService {
    const SERVICE: Service = Service::Audit;
    const LIMITED: &[ud_service::limits::Operation] = limits::OPERATIONS;
    type Config = AuditConfig;

    fn database(config: &Self::Config) -> Option<&DatabaseConfig> {
        Some(&config.database)
    }

    fn ring_files(config: &Self::Config) -> Vec<&'static str> {
        config.sealing.ring_files()
    }

    type Command = RewrapCommand;

    fn load(loader: &mut Loader) -> AuditConfig {
        AuditConfig::load(loader)
    }

    async fn build(config: AuditConfig, context: ServiceContext) -> Result<Mounted, StartError> {
        let db = Db::start(
            &config.database,
            Service::Audit,
            &ALL_MIGRATIONS,
            &context.metrics,
        )
        .await?;
        let key = ServerKey::start(&db, &config.sealing, Service::Audit, &context.clock)
            .await
            .map_err(StartError::config)?;
        let flow = RecordFlow::new(db.clone(), context.clock.clone(), key.clone());
        let state = AuditState {
            flow: flow.clone(),
            security_log: context.security_log.clone(),
            metrics: context.metrics.clone(),
        };
        let limits = context.limits(Self::LIMITED, &config.limits, None)?;
        let mut tasks = vec![open_server_key(key.clone())];
        if let Some(security_events) = context.take_security_events().await {
            tasks.push(write_security_events(flow, &context, security_events));
        }
        let key_check: ud_http::Check = Arc::new(move || Box::pin(std::future::ready(key.state())));
        Ok(Mounted {
            service: Service::Audit,
            prefixes: routes::PREFIXES,
            openapi: openapi::document(),
            public: routes::public(&state),
            internal: routes::internal(&state),
            guard: context.guard()?.with_limits(limits),
            gate: context.gate.clone(),
            readiness: Readiness::new(
                Service::Audit,
                vec![
                    ("database", db.readiness_check(&ALL_MIGRATIONS)),
                    ("server_key", key_check),
                ],
                context.peers,
            ),
            database_descriptors: Self::database_descriptors(&config),
            tasks,
        })
    }

    async fn migrate(config: AuditConfig) -> Result<(), StartError> {
        let db = Db::open(&config.database, Self::SERVICE)?;
        db.migrate(&ALL_MIGRATIONS).await?;
        Ok(())
    }

    async fn revert(
        config: AuditConfig,
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
        command: RewrapCommand,
        config: AuditConfig,
        _: ServiceContext,
    ) -> Result<(), StartError> {
        match command {
            RewrapCommand::Rewrap => command::run_rewrap(config).await,
        }
    }

    async fn rewrap(config: AuditConfig, _: ServiceContext) -> Result<(), StartError> {
        command::run_rewrap(config).await
    }

    fn openapi() -> OpenApi {
        openapi::document()
    }
}

/// Opens the key under Idempotency-Keys where the start could not.
fn open_server_key(key: ServerKey) -> Task {
    Box::new(move |mut stop| Box::pin(async move { key.keep_opening(stop.stopped()).await }))
}

/// Writes this service's own security events (SECURITY rule 33), which need no outbox: they are at home here.
fn write_security_events(
    flow: RecordFlow,
    context: &ServiceContext,
    queue: SecurityEvents,
) -> Task {
    let log = context.security_log.clone();
    Box::new(move |stop| {
        let write = move |events: Vec<NewEvent>| {
            let flow = flow.clone();
            async move { Ok(flow.record_own(&events).await?) }
        };
        Box::pin(record_security_events(
            Service::Audit,
            log,
            queue,
            write,
            stop,
        ))
    })
}
