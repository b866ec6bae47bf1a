#![doc = include_str!("../README.md")]

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

use std::{path::Path, sync::Arc};

use secrecy::ExposeSecret as _;
use ud_config::{DatabaseConfig, Durability, Loader};
use ud_db::{Db, DbError, FileLock, Migrations};
use ud_events::{OutboxHandle, SqlOutbox};
use ud_http::{MigrateArguments, Mounted, NoCommand, Readiness, Revert, ServiceBinary};
use ud_jwt::{
    KeySource,
    revocation::{SessionChecker, StateSource, StateUnavailable},
};
use ud_kernel::{Clock, Service, StartError};
use ud_seal::ring_or_file;
use ud_service::{ServiceContext, Task, TokenGuard, stop_in_order};
use utoipa::openapi::OpenApi;

pub use config::{SessionConfig, StoreConfig};

use crate::{
    models::{
        feed::Feed,
        feed_tags::FeedTags,
        redis::{
            connection::Unfit,
            outbox::RedisOutbox,
            store::{RedisSettings, RedisStore},
        },
        session_flow::SessionFlow,
        session_store::SessionStore,
        sqlite::store::SqliteStore,
    },
    state::SessionState,
};

/// Migrations of this service's own tables.
pub static MIGRATIONS: Migrations = Migrations {
    sqlite: diesel_migrations::embed_migrations!("../../migrations/session/sqlite"),
    // Never used: without Redis, sessions are kept in SQLite and nowhere else.
    postgres: diesel_migrations::embed_migrations!("../../migrations/session/sqlite"),
    mysql: diesel_migrations::embed_migrations!("../../migrations/session/sqlite"),
};

/// All migrations of the SQLite store.
pub static ALL_MIGRATIONS: [&Migrations; 2] = [&MIGRATIONS, &ud_events::MIGRATIONS];

/// Name of the ring of keys under the places of the revocation feed.
const FEED_RING: &str = "session-feed";

/// The session service.
pub struct SessionService;

impl ServiceBinary for SessionService {
    const SERVICE: Service = Service::Session;
    const LIMITED: &[ud_service::limits::Operation] = limits::OPERATIONS;
    type Config = SessionConfig;

    fn database(config: &Self::Config) -> Option<&DatabaseConfig> {
        match &config.store {
            StoreConfig::Sqlite(database) => Some(database),
            StoreConfig::Redis(_) => None,
        }
    }

    fn ring_files(config: &Self::Config) -> Vec<&'static str> {
        let is_file = config.feed_keys.is_none();
        is_file.then_some(FEED_RING).into_iter().collect()
    }

    type Command = NoCommand;

    fn load(loader: &mut Loader) -> SessionConfig {
        SessionConfig::load(loader)
    }

    async fn build(config: SessionConfig, context: ServiceContext) -> Result<Mounted, StartError> {
        let relay = OutboxHandle::new();
        let (store, name, relaying) = open_store(&config, &context, &relay).await?;
        let flow = SessionFlow::new(
            Arc::clone(&store),
            context.peers.client(Service::Role),
            context.clock.clone(),
        );
        let ring = ring_or_file(config.feed_keys.as_ref(), &config.keys_dir, FEED_RING)
            .map_err(StartError::config)?;
        let feed = Feed::new(
            Arc::clone(&store),
            context.clock.clone(),
            FeedTags::new(ring),
            &context.metrics,
        );
        let state = SessionState::new(
            Arc::clone(&store),
            flow,
            feed.clone(),
            context.clock.clone(),
            context.security_log.clone(),
            &context.metrics,
        );
        let security_events = tasks::security_events(&context, Arc::clone(&store));
        let mut tasks = vec![stop_in_order(security_events, relaying)];
        let guard = if context.standalone {
            context.guard()?
        } else {
            let keys = context.key_source()?;
            tasks.push(tasks::follow_keys(feed.clone(), keys.clone()));
            own_guard(&context, &store, keys)
        };
        let guard = guard.with_limits(context.limits(Self::LIMITED, &config.limits, None)?);
        tasks.push(Box::new(move |stop| Box::pin(feed.run(stop))));
        let checked = Arc::clone(&store);
        let check: ud_http::Check = Arc::new(move || {
            let store = Arc::clone(&checked);
            Box::pin(async move { store.check().await })
        });
        Ok(Mounted {
            service: Service::Session,
            prefixes: routes::PREFIXES,
            openapi: openapi::document(),
            public: routes::public(&state),
            internal: routes::internal(&state),
            guard,
            gate: context.gate.clone(),
            readiness: Readiness::new(Service::Session, vec![(name, check)], context.peers.clone()),
            database_descriptors: Self::database_descriptors(&config),
            tasks,
        })
    }

    async fn migrate(config: SessionConfig) -> Result<(), StartError> {
        let StoreConfig::Sqlite(database) = config.store else {
            log::info!("sessions are kept in Redis: there is nothing to migrate");
            return Ok(());
        };
        // Nobody migrates under a running service.
        let _lock = lock(&database)?;
        let db = Db::open_unlocked(&database, Self::SERVICE)?;
        db.migrate(&ALL_MIGRATIONS).await?;
        Ok(())
    }

    async fn revert(
        config: SessionConfig,
        arguments: MigrateArguments,
    ) -> Result<Revert, StartError> {
        let StoreConfig::Sqlite(database) = config.store else {
            log::info!("sessions are kept in Redis: there is nothing to undo");
            return Ok(Revert::nothing());
        };
        file_of(&database)?;
        let found = Db::plan_revert(
            &database,
            Self::SERVICE,
            &ALL_MIGRATIONS,
            arguments.version(),
            arguments.is_confirmed(),
        )
        .await?;
        Ok(Revert::of(found))
    }

    async fn run_command(
        command: NoCommand,
        _: Self::Config,
        _: ServiceContext,
    ) -> Result<(), StartError> {
        match command {}
    }

    fn openapi() -> OpenApi {
        openapi::document()
    }
}

type Opened = (Arc<dyn SessionStore>, &'static str, Task);

/// The store, its name in the readiness report, and the task that sends its events.
async fn open_store(
    config: &SessionConfig,
    context: &ServiceContext,
    relay: &OutboxHandle,
) -> Result<Opened, StartError> {
    match &config.store {
        StoreConfig::Redis(settings) => {
            let store = Arc::new(open_redis(settings, context, relay).await?);
            let outbox = RedisOutbox::new(&store, context.clock.clone());
            Ok((store, "redis", tasks::relay(context, outbox, relay)))
        }
        StoreConfig::Sqlite(database) => {
            let lock = lock(database)?;
            let db = Db::start_locked(
                &lock,
                database,
                Service::Session,
                &ALL_MIGRATIONS,
                &context.metrics,
            )
            .await?;
            let outbox = SqlOutbox::new(db.clone(), context.clock.clone());
            let store = SqliteStore::new(
                db,
                &ALL_MIGRATIONS,
                lock,
                relay.clone(),
                context.clock.clone(),
            );
            Ok((
                Arc::new(store),
                "database",
                tasks::relay(context, outbox, relay),
            ))
        }
    }
}

/// A Redis that is away may come; one that is configured to lose sessions is refused in production.
async fn open_redis(
    settings: &RedisSettings,
    context: &ServiceContext,
    relay: &OutboxHandle,
) -> Result<RedisStore, StartError> {
    let strict = context.env.is_production();
    let store = RedisStore::new(settings, relay.clone(), strict).map_err(StartError::config)?;
    if settings.redis.durability == Durability::Lossy {
        log::warn!("REDIS_DURABILITY=lossy: closes of the last second may be undone by a crash");
    }
    match store.fitness().await {
        Ok(()) => {}
        Err(Unfit::Configuration(text)) if strict => return Err(StartError::config(text)),
        Err(unfit) => log::warn!("{unfit}"),
    }
    Ok(store)
}

/// Locks the file for the one process that may use it.
fn lock(database: &DatabaseConfig) -> Result<FileLock, StartError> {
    FileLock::alone(file_of(database)?).map_err(|error| match error {
        DbError::InUse(path) => StartError::config(format!(
            "another session service uses {}, or a command that migrates it; several replicas need REDIS_URL",
            path.display()
        )),
        other => other.into(),
    })
}

/// The file behind an SQLite URL.
fn file_of(database: &DatabaseConfig) -> Result<&Path, StartError> {
    let url = database.url.expose_secret();
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"));
    let path = path.ok_or_else(|| {
        StartError::config(
            "SESSION_DATABASE_URL: without REDIS_URL, sessions are kept in sqlite://PATH only",
        )
    })?;
    Ok(Path::new(path))
}

/// Asks the store itself, not over HTTP. In standalone the process's guard is there instead.
fn own_guard(
    context: &ServiceContext,
    store: &Arc<dyn SessionStore>,
    keys: KeySource,
) -> TokenGuard {
    let checker = SessionChecker::local(state_source(Arc::clone(store), context.clock.clone()));
    context
        .guard_with(keys, checker)
        .with_log(context.security_log.clone())
}

/// Answers about sessions straight from `store`, for verifiers in the same process.
#[must_use]
pub fn state_source(store: Arc<dyn SessionStore>, clock: Clock) -> StateSource {
    Arc::new(move |id, token| {
        let (store, now) = (Arc::clone(&store), clock.now());
        Box::pin(async move {
            store.state(id, token, now).await.map_err(|error| {
                log::warn!("session state: {error}");
                StateUnavailable
            })
        })
    })
}
