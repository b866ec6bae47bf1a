//! Configuration of this service, beside what all services have.

use ud_config::{
    DatabaseConfig, LimitsConfig, Loader, RedisConfig, RegistrationConfig, SealingConfig,
};
use ud_kernel::Service;

use crate::models::{Bootstrap, BootstrapReport};

/// What the profile service is made of. Plain values: tests and standalone fill it in themselves.
#[derive(Debug, Clone)]
pub struct ProfileConfig {
    /// Where its database is.
    pub database: DatabaseConfig,
    /// What seals the key that Idempotency-Keys are stored under.
    pub sealing: SealingConfig,
    /// How often each operation may be called.
    pub limits: LimitsConfig,
    /// Counts registrations for all replicas, if there is one.
    pub redis: Option<RedisConfig>,
    /// The first administrator, if one is to be made.
    pub bootstrap: Option<Bootstrap>,
    /// Tells how the first administrator fares.
    pub bootstrap_report: BootstrapReport,
}

impl ProfileConfig {
    /// Reads it; problems are collected in `loader`. Where the configuration may leave the first
    /// administrator's password out (standalone), `bootstrap` is none then: who makes the password sets it.
    pub fn load(loader: &mut Loader) -> Self {
        let registration = RegistrationConfig::load(loader, Service::Profile);
        let bootstrap = registration.bootstrap.and_then(|bootstrap| {
            Some(Bootstrap {
                email: bootstrap.email,
                password: bootstrap.password?,
            })
        });
        Self {
            database: DatabaseConfig::load(loader, Service::Profile),
            sealing: SealingConfig::load(loader, Service::Profile),
            limits: LimitsConfig::load(loader),
            redis: RedisConfig::load(loader, Service::Profile),
            bootstrap,
            bootstrap_report: BootstrapReport::default(),
        }
    }
}
