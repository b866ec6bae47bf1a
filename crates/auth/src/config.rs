//! Configuration of this service, beside what all services have.

use std::time::Duration;

use ud_config::{
    DatabaseConfig, LimitsConfig, Loader, PasswordConfig, RedisConfig, SealingConfig,
    SigningConfig, keys,
};
use ud_kernel::Service;
use ud_service::require_names_room;

use crate::models::{
    password::hash_pool::HashPoolSize, throttle::rule::ThrottleLimits,
    token::introspection_clients::IntrospectionClients,
};

/// What auth is told.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// Where its database is.
    pub database: DatabaseConfig,
    /// How tokens are made.
    pub signing: SigningConfig,
    /// What is asked of passwords.
    pub password: PasswordConfig,
    /// Where attempts are counted in common; in the process without it.
    pub redis: Option<RedisConfig>,
    /// How often things may be done.
    pub limits: AuthLimits,
    /// Who may introspect tokens without an account.
    pub introspection_clients: IntrospectionClients,
    /// Threads that hash passwords.
    pub hash_pool: HashPoolSize,
    /// No password is refused sooner; measured at the start if not given.
    pub min_response_time: Option<Duration>,
    /// What seals secrets at rest.
    pub sealing: SealingConfig,
}

/// How often things may be done.
#[derive(Debug, Clone)]
pub struct AuthLimits {
    /// Calls of each operation.
    pub operations: LimitsConfig,
    /// Wrong passwords, before each further one has to wait.
    pub throttle: ThrottleLimits,
}

fn introspection_clients(loader: &mut Loader) -> IntrospectionClients {
    let text = loader
        .text(&keys::INTROSPECTION_CLIENTS)
        .unwrap_or_default();
    match IntrospectionClients::parse(&text) {
        Ok(clients) => clients,
        Err(error) => {
            loader.problem(&keys::INTROSPECTION_CLIENTS, error.to_string());
            IntrospectionClients::default()
        }
    }
}

impl AuthConfig {
    /// Reads it; problems are collected in `loader`.
    pub fn load(loader: &mut Loader) -> Self {
        require_names_room(loader);
        Self {
            database: DatabaseConfig::load(loader, Service::Auth),
            signing: SigningConfig::load(loader, Service::Auth),
            password: PasswordConfig::load(loader, Service::Auth),
            redis: RedisConfig::load(loader, Service::Auth),
            limits: AuthLimits {
                operations: LimitsConfig::load(loader),
                throttle: ThrottleLimits {
                    tries: loader.limit(&keys::LIMIT_LOGIN_FAILURES),
                    account: loader.limit(&keys::LIMIT_LOGIN_STRANGERS),
                    source: loader.limit(&keys::LIMIT_LOGIN_SOURCE_FAILURES),
                },
            },
            introspection_clients: introspection_clients(loader),
            hash_pool: HashPoolSize::per_core(),
            min_response_time: None,
            sealing: SealingConfig::load(loader, Service::Auth),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<AuthConfig, String> {
        let mut loader = Loader::from_pairs(pairs.iter().copied());
        let config = AuthConfig::load(&mut loader);
        loader.finish().map(|()| config).map_err(|e| e.to_string())
    }

    #[test]
    fn development_needs_nothing() {
        let config = load(&[("APP_ENV", "development")]).unwrap();
        assert_eq!(config.sealing.keys_dir, Path::new("./data/keys"));
        let throttle = config.limits.throttle;
        let limits = [throttle.tries, throttle.account, throttle.source];
        let told = limits.map(|limit| limit.to_string());
        assert_eq!(told, ["5/900", "50/1800", "100/60"]);
        assert_eq!(
            (config.password.min_length, config.password.bcrypt_cost),
            (15, 12)
        );
    }

    #[test]
    fn production_tells_everything_that_is_missing_or_wrong() {
        let told = load(&[
            ("BCRYPT_COST", "4"),
            ("PASSWORD_MIN_LENGTH", "7"),
            (
                "AUTH_KEY_ENCRYPTION_KEYS",
                "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
            ("LIMIT_LOGIN", "many"),
        ])
        .unwrap_err();
        for key in [
            "AUTH_DATABASE_URL",
            "BCRYPT_COST",
            "PASSWORD_MIN_LENGTH",
            "AUTH_KEY_ENCRYPTION_KEYS",
            "REFRESH_TOKEN_KEYS",
            "LIMIT_LOGIN",
        ] {
            assert!(told.contains(key), "{key} in {told}");
        }
    }
}
