//! A fresh database per test on each of the three backends.

use std::time::Duration;

use testkit::{Backend, TestDatabase};
use ud_config::DatabaseConfig;
use ud_db::Db;
use ud_kernel::Service;

/// A database that is dropped with this value.
pub struct Fresh(TestDatabase);

impl Fresh {
    pub fn new(backend: Backend) -> Self {
        Self(TestDatabase::create(backend))
    }

    /// A pool of its own, as another process would have.
    pub fn db(&self) -> Db {
        let options = DatabaseConfig {
            url: self.0.url.clone().into(),
            pool_size: 8,
            acquire_timeout: Duration::from_secs(20),
            auto_migrate: false,
            migration_url: None,
        };
        Db::open(&options, Service::Profile).unwrap()
    }

    pub async fn migrated(&self) -> Db {
        let db = self.db();
        db.migrate(&[&ud_events::MIGRATIONS]).await.unwrap();
        db
    }
}
