#![doc = include_str!("../README.md")]

mod command;

pub mod config;
pub mod controllers;
pub mod models;
pub mod routes;
pub mod state;
pub mod views;

use std::sync::Arc;

use ud_config::Loader;
use ud_db::{Db, DbError, Migrations};
use ud_events::{NewEvent, record_notices};
use ud_http::{
    Base, MigrateArguments, Mounted, Notices, Readiness, ResealCommand, Revert, Routes,
    ServiceBinary, StartError, Task,
};
use ud_idempotency::ServerKey;
use ud_kernel::Service;
use utoipa::OpenApi as _;

use crate::{
    config::AuditConfig, models::record_flow::RecordFlow, state::AuditState,
    views::openapi::AuditApi,
};

static OWN_MIGRATIONS: Migrations = Migrations {
    sqlite: diesel_migrations::embed_migrations!("../../migrations/audit/sqlite"),
    postgres: diesel_migrations::embed_migrations!("../../migrations/audit/postgres"),
    mysql: diesel_migrations::embed_migrations!("../../migrations/audit/mysql"),
};

/// The tables of this service. It has no outbox: what it does is in its own log.
pub static MIGRATIONS: &[&Migrations] = &[&OWN_MIGRATIONS];

/// The audit service.
pub struct AuditService;

impl ServiceBinary for AuditService {
    const SERVICE: Service = Service::Audit;
    type Config = AuditConfig;
    fn database_descriptors(config: &Self::Config) -> usize {
        config.database.descriptors()
    }

    type Command = ResealCommand;

    fn load(loader: &mut Loader) -> AuditConfig {
        AuditConfig::load(loader)
    }

    async fn build(config: AuditConfig, base: Base) -> Result<Mounted, StartError> {
        let database_descriptors = config.database.descriptors();
        let db = Db::start(config.database, Service::Audit, MIGRATIONS, &base.metrics)
            .await
            .map_err(start_error)?;
        let key = ServerKey::start(&db, &config.sealing, Service::Audit, &base.clock)
            .await
            .map_err(StartError::config)?;
        let flow = RecordFlow::new(db.clone(), base.clock.clone(), key.clone());
        let state = AuditState {
            flow: flow.clone(),
            security_log: base.security_log.clone(),
        };
        let limits = base.limits(&config.limits, None)?;
        let mut tasks = vec![open_server_key(key.clone())];
        if let Some(notices) = base.take_notices().await {
            tasks.push(write_notices(flow, &base, notices));
        }
        let check: ud_http::Check = Arc::new(move || {
            let db = db.clone();
            Box::pin(async move { db.ready(MIGRATIONS).await })
        });
        let key_check: ud_http::Check = Arc::new(move || Box::pin(std::future::ready(key.state())));
        let (public_state, metrics) = (state.clone(), base.metrics.clone());
        let public: Routes = Arc::new(move |cfg| routes::public(cfg, &public_state));
        let internal: Routes = Arc::new(move |cfg| routes::internal(cfg, &state, &metrics));
        Ok(Mounted {
            service: Service::Audit,
            prefixes: routes::PREFIXES,
            openapi: ("/api/v1/audits/openapi.json", AuditApi::openapi()),
            public,
            internal,
            guard: base.guard()?.with_limits(limits),
            gate: base.gate.clone(),
            readiness: Readiness::new(
                Service::Audit,
                vec![("database", check), ("server_key", key_check)],
                base.peers,
            ),
            database_descriptors,
            tasks,
        })
    }

    async fn migrate(config: AuditConfig, _: Base) -> Result<(), StartError> {
        let db = Db::open(&config.database.into(), Service::Audit).map_err(start_error)?;
        db.migrate(MIGRATIONS).await.map(drop).map_err(start_error)
    }

    async fn revert(
        config: AuditConfig,
        arguments: MigrateArguments,
    ) -> Result<Revert, StartError> {
        let options = config.database.into();
        let db = Db::open_to_revert(&options, Service::Audit, arguments.is_confirmed());
        let db = db.map_err(start_error)?;
        let found = db.next_revert(MIGRATIONS, arguments.version()).await;
        let Some(found) = found.map_err(start_error)? else {
            return Ok(Revert::nothing());
        };
        Ok(Revert::of(found.to_string(), async move {
            db.revert(MIGRATIONS, found).await.map_err(start_error)
        }))
    }

    async fn run_command(
        command: ResealCommand,
        config: AuditConfig,
        _: Base,
    ) -> Result<(), StartError> {
        match command {
            ResealCommand::Reseal => command::run_reseal(config).await,
        }
    }

    fn openapi() -> utoipa::openapi::OpenApi {
        AuditApi::openapi()
    }
}

fn start_error(error: DbError) -> StartError {
    if error.is_configuration() {
        StartError::config(error)
    } else {
        StartError::internal(error)
    }
}

/// Opens the key under Idempotency-Keys where the start could not.
fn open_server_key(key: ServerKey) -> Task {
    Box::new(move |mut stop| Box::pin(async move { key.keep_opening(stop.stopped()).await }))
}

/// Writes this service's own security events (SECURITY rule 33), which need no outbox: they are at home here.
fn write_notices(flow: RecordFlow, base: &Base, queue: Notices) -> Task {
    let log = base.security_log.clone();
    Box::new(move |stop| {
        let write = move |events: Vec<NewEvent>| {
            let flow = flow.clone();
            async move { Ok(flow.record_own(&events).await?) }
        };
        Box::pin(record_notices(Service::Audit, log, queue, write, stop))
    })
}
