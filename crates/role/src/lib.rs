#![doc = include_str!("../README.md")]

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
use ud_events::OutboxHandle;
use ud_http::{Base, Check, Mounted, Readiness, ServiceBinary, StartError};
use ud_kernel::Service;
use utoipa::openapi::OpenApi;

pub use config::RoleConfig;
use state::RoleState;

/// Migrations of this service's own tables.
pub static MIGRATIONS: Migrations = Migrations {
    sqlite: embed_migrations!("../../migrations/role/sqlite"),
    postgres: embed_migrations!("../../migrations/role/postgres"),
    mysql: embed_migrations!("../../migrations/role/mysql"),
};

/// All migrations of this service's database.
pub static ALL_MIGRATIONS: [&Migrations; 2] = [&ud_events::MIGRATIONS, &MIGRATIONS];

/// The role service.
#[derive(Debug)]
pub enum RoleService {}

impl ServiceBinary for RoleService {
    const SERVICE: Service = Service::Role;

    type Config = RoleConfig;

    fn load(loader: &mut Loader) -> RoleConfig {
        RoleConfig::load(loader)
    }

    async fn build(config: RoleConfig, base: Base) -> Result<Mounted, StartError> {
        build(&config, &base).await
    }

    async fn migrate(config: RoleConfig, base: Base, revert: bool) -> Result<(), StartError> {
        let db = open(&config, &base)?;
        if revert {
            db.revert_last(&ALL_MIGRATIONS).await.map_err(start_error)?;
        } else {
            db.migrate(&ALL_MIGRATIONS).await.map_err(start_error)?;
        }
        Ok(())
    }

    fn openapi() -> OpenApi {
        views::document()
    }
}

/// Builds the service: opens its database, migrates it where that is the service's to do, and gives what a
/// server needs to serve it.
///
/// # Errors
/// If the database URL is wrong, or migrating fails.
pub async fn build(config: &RoleConfig, base: &Base) -> Result<Mounted, StartError> {
    let db = open(config, base)?;
    if config.database.auto_migrate {
        db.migrate(&ALL_MIGRATIONS).await.map_err(start_error)?;
    }
    let outbox = OutboxHandle::new();
    let state = RoleState::new(base, &db, &outbox);
    let mut tasks = tasks::tidy(&state);
    tasks.push(tasks::relay_events(base, &db, &outbox));
    if let Some(notices) = base.take_notices().await {
        tasks.push(tasks::write_notices(base, &db, &outbox, notices));
    }
    Ok(Mounted {
        service: Service::Role,
        prefixes: routes::PREFIXES,
        openapi: (routes::OPENAPI, views::document()),
        public: routes::public(&state),
        internal: routes::internal(&state),
        guard: base.guard()?,
        gate: base.gate.clone(),
        readiness: Readiness::new(
            Service::Role,
            vec![("database", readiness_check(db))],
            base.peers.clone(),
        ),
        tasks,
    })
}

fn open(config: &RoleConfig, base: &Base) -> Result<Db, StartError> {
    let db = Db::open(&config.db_options(), Service::Role).map_err(start_error)?;
    db.register_metrics(&base.metrics);
    Ok(db)
}

fn start_error(error: DbError) -> StartError {
    match error {
        DbError::Url(_) | DbError::NotCompiledIn(_) | DbError::File { .. } => {
            StartError::config(error)
        }
        DbError::Migration(_) | DbError::Store(_) => StartError::internal(error),
    }
}

/// Ready when the database answers and has every migration.
fn readiness_check(db: Db) -> Check {
    Arc::new(move || {
        let db = db.clone();
        Box::pin(async move {
            // The cause may name hosts and users: it is in the log.
            let pending = db
                .pending(&ALL_MIGRATIONS)
                .await
                .map_err(|_| "no answer".to_owned())?;
            match pending.len() {
                0 => Ok(()),
                n => Err(format!("{n} migrations are pending")),
            }
        })
    })
}
