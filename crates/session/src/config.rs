//! What the session service is configured with.

use crate::models::redis::store::{NAMESPACE, RedisSettings};
use std::path::PathBuf;

use ud_config::{DatabaseConfig, KeyRing, LimitsConfig, Loader, RedisConfig, keys, keys_dir};
use ud_kernel::Service;

/// Where sessions are kept.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// In Redis: any number of replicas.
    Redis(RedisSettings),
    /// In one SQLite file: one replica.
    Sqlite(DatabaseConfig),
}

/// The session service's own configuration.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Where sessions are kept.
    pub store: StoreConfig,
    /// How often each operation may be called.
    pub limits: LimitsConfig,
    /// Keys under the places handed out by the revocation feed. `None` only in development and in standalone: then the
    /// ring is a file in [`SessionConfig::keys_dir`].
    pub feed_keys: Option<KeyRing>,
    /// Where key rings are kept that the configuration does not give.
    pub keys_dir: PathBuf,
}

impl SessionConfig {
    /// Redis when `REDIS_URL` is set, otherwise `SESSION_DATABASE_URL`, which must name an SQLite file.
    pub fn load(loader: &mut Loader) -> Self {
        let mut feed_keys = loader.key_ring(&keys::SESSION_FEED_KEYS);
        if loader.app_env().is_production() && !loader.is_standalone() {
            feed_keys = loader.require(&keys::SESSION_FEED_KEYS, feed_keys);
        }
        Self {
            store: StoreConfig::load(loader),
            limits: LimitsConfig::load(loader),
            feed_keys,
            keys_dir: keys_dir(loader),
        }
    }
}

impl StoreConfig {
    fn load(loader: &mut Loader) -> Self {
        if let Some(redis) = RedisConfig::load(loader, Service::Session) {
            let settings = RedisSettings {
                redis,
                namespace: NAMESPACE.to_owned(),
                hand: None,
            };
            return Self::Redis(settings);
        }
        Self::Sqlite(DatabaseConfig::load(loader, Service::Session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<SessionConfig, String> {
        let mut loader = Loader::from_pairs(pairs.iter().copied());
        let config = SessionConfig::load(&mut loader);
        loader.finish().map(|()| config).map_err(|e| e.to_string())
    }

    #[test]
    fn production_wants_the_keys_of_the_feed_and_nobody_else_does() {
        let told = load(&[("SESSION_DATABASE_URL", "sqlite:///x/s.db")]).unwrap_err();
        assert!(told.contains("SESSION_FEED_KEYS: is missing"), "{told}");
        let config = load(&[("APP_ENV", "development")]).unwrap();
        assert!(config.feed_keys.is_none());
        assert_eq!(config.keys_dir, std::path::Path::new("./data/keys"));
        let ring = "f1:c29tZXRoaW5nIGVsc2UsIDMyIGJ5dGVzIGxvbmcgOi0";
        let given = [
            ("SESSION_DATABASE_URL", "sqlite:///x/s.db"),
            ("SESSION_FEED_KEYS", ring),
        ];
        assert_eq!(load(&given).unwrap().feed_keys.unwrap().current().0, "f1");
    }
}
