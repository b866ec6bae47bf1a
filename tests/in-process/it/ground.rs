//! What outlives the services: their stores, keys and identities.

use std::{collections::HashMap, time::Duration};

use diesel::{QueryableByName, RunQueryDsl as _, sql_types::Text};
use secrecy::ExposeSecret as _;
use session_service::{StoreConfig, models::redis::store::RedisSettings};
use tempfile::TempDir;
use testkit::{Backend, TestDatabase, TestIdentities, new_key_ring, sealing};
use ud_config::{DatabaseConfig, Durability, KeyRing, RedisConfig, SealingConfig};
use ud_db::{Db, FileLock, StoreError};
use ud_events::Event;
use ud_kernel::{Clock, Service, SessionId};

use crate::{service::START, waiting::until};

/// Where sessions are kept, and with them auth's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Redis and PostgreSQL: two replicas of each service.
    Redis,
    /// SQLite files: two of auth, and the one session service there can be.
    Sqlite,
}

/// What is there before and after every life of the services.
pub struct Ground {
    pub identities: TestIdentities,
    pub sessions: StoreConfig,
    pub database: TestDatabase,
    pub sealing: SealingConfig,
    /// `SESSION_FEED_KEYS`.
    pub feed_keys: KeyRing,
    folder: TempDir,
}

impl Ground {
    /// `clock` is that of the Redis server; SQLite has that of the session service.
    pub fn new(store: Store, clock: &Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (backend, sessions) = match store {
            Store::Redis => (Backend::Postgres, StoreConfig::Redis(redis_settings(clock))),
            Store::Sqlite => {
                let file = folder.path().join("session.db");
                let url = format!("sqlite://{}", file.display());
                let database = testkit::database_config(&url);
                (Backend::Sqlite, StoreConfig::Sqlite(database))
            }
        };
        Self {
            identities: TestIdentities::new(Clock::manual(START)),
            sessions,
            database: TestDatabase::create(backend),
            sealing: sealing(),
            feed_keys: new_key_ring("f1").parse().unwrap(),
            folder,
        }
    }

    /// Where session has its file, if it has one.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Waits until no service has the file of sessions: what still talks to one that was told to stop ends on its own
    /// time. (When a process ends, the system sees to that.)
    pub async fn is_free(&self) {
        if let StoreConfig::Sqlite(_) = &self.sessions {
            let file = self.folder().join("session.db");
            until("the file is free", async || FileLock::alone(&file).is_ok()).await;
        }
    }

    /// Types of the events about sessions, in their order. Audit has no address here, so none has left.
    pub async fn events(&self) -> Vec<String> {
        let mut kinds = match &self.sessions {
            StoreConfig::Redis(settings) => redis_events(settings),
            StoreConfig::Sqlite(database) => sqlite_events(database).await,
        };
        kinds.retain(|kind| kind != "service_token_refused");
        kinds
    }
}

/// A connection of the test's own.
pub fn connect(settings: &RedisSettings) -> redis::Connection {
    let url = settings.redis.url.expose_secret();
    let client = redis::Client::open(url).unwrap();
    client.get_connection().unwrap()
}

fn redis_events(settings: &RedisSettings) -> Vec<String> {
    let mut range = redis::cmd("XRANGE");
    range.arg(format!("{}:outbox", settings.namespace));
    let found: Vec<(String, HashMap<String, String>)> = range
        .arg("-")
        .arg("+")
        .query(&mut connect(settings))
        .unwrap();
    let kind = |(_, mut fields): (_, HashMap<String, String>)| fields.remove("type").unwrap();
    found.into_iter().map(kind).collect()
}

async fn sqlite_events(database: &DatabaseConfig) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        body: String,
    }
    let options = DatabaseConfig {
        url: database.url.clone(),
        pool_size: 1,
        acquire_timeout: Duration::from_secs(20),
        auto_migrate: false,
        migration_url: None,
    };
    let db = Db::open_unlocked(&options, Service::Session).unwrap();
    let rows = db.read(|conn| {
        diesel::sql_query("SELECT body FROM outbox ORDER BY rowid")
            .load::<Row>(conn)
            .map_err(StoreError::from)
    });
    let kind = |row: &Row| {
        Event::from_json(row.body.as_bytes())
            .unwrap()
            .kind
            .to_string()
    };
    rows.await.unwrap().iter().map(kind).collect()
}

fn redis_settings(clock: &Clock) -> RedisSettings {
    RedisSettings {
        redis: RedisConfig {
            url: testkit::redis_url().into(),
            durability: Durability::Lossy,
        },
        // Under the hash tag of production, and nobody else's.
        namespace: format!("{{ud}}:{}", SessionId::new(Clock::system().now())),
        hand: Some(clock.clone()),
    }
}
