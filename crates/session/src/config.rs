//! What the session service is configured with.

use ud_config::{DatabaseConfig, LimitsConfig, Loader, RedisConfig};
use ud_kernel::Service;

/// Before every key, and a hash tag: a cluster keeps all of them in one slot.
pub const NAMESPACE: &str = "{ud}";

/// Where sessions are kept.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// In Redis: any number of replicas.
    Redis(RedisSettings),
    /// In one SQLite file: one replica.
    Sqlite(DatabaseConfig),
}

/// A Redis, and where in it.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// The server.
    pub redis: RedisConfig,
    /// What every key begins with: [`NAMESPACE`], and something of its own in each test.
    pub namespace: String,
}

/// The session service's own configuration.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Where sessions are kept.
    pub store: StoreConfig,
    /// How often each operation may be called.
    pub limits: LimitsConfig,
}

impl SessionConfig {
    /// Redis when `REDIS_URL` is set, otherwise `SESSION_DATABASE_URL`, which must name an SQLite file.
    pub fn load(loader: &mut Loader) -> Self {
        let redis = RedisConfig::load(loader, Service::Session);
        let store = match redis {
            Some(redis) => StoreConfig::Redis(RedisSettings {
                redis,
                namespace: NAMESPACE.to_owned(),
            }),
            None => StoreConfig::Sqlite(DatabaseConfig::load(loader, Service::Session)),
        };
        Self {
            store,
            limits: LimitsConfig::load(loader),
        }
    }
}
