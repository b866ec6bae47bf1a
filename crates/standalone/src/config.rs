//! The whole configuration, read at once so that every problem is reported at once.

use auth_service::{AuthConfig, AuthService};
use ud_config::{AppEnv, Loader, LogConfig, StandaloneConfig, TokenConfig, keys};
use ud_http::ServiceBinary;
use ud_kernel::{Service, StartError};

use crate::services::{Configured, SERVICES};

/// What all services and the process around them are told.
pub(crate) struct Config {
    pub(crate) env: AppEnv,
    pub(crate) standalone: StandaloneConfig,
    pub(crate) tokens: TokenConfig,
    /// Nobody said what `iss` is: it is this process's own address.
    pub(crate) is_issuer_unset: bool,
    /// In the order of [`SERVICES`].
    pub(crate) services: Vec<Box<dyn Configured>>,
    /// Email of the first administrator, if the configuration names one.
    pub(crate) administrator: Option<String>,
}

impl Config {
    /// Reads the environment and `.env`, and starts the logger.
    ///
    /// # Errors
    /// Every problem of the configuration.
    pub(crate) fn from_environment() -> Result<Self, StartError> {
        let mut loader = Loader::from_environment().for_standalone();
        let log = LogConfig::load(&mut loader, Service::Auth);
        let config = Self {
            env: loader.app_env(),
            standalone: StandaloneConfig::load(&mut loader),
            tokens: TokenConfig::load(&mut loader, Service::Auth),
            is_issuer_unset: !loader.is_set(&keys::ISSUER_URL),
            services: SERVICES
                .iter()
                .map(|known| (known.load)(&mut loader))
                .collect(),
            administrator: loader.text(&keys::BOOTSTRAP_ADMIN_EMAIL),
        };
        let warnings = loader.warnings();
        loader.finish().map_err(StartError::config)?;
        ud_telemetry::init(&log, "standalone");
        for warning in warnings {
            log::warn!("configuration: {warning}");
        }
        Ok(config)
    }

    /// Returns the most descriptors that the connections to the databases hold.
    pub(crate) fn database_descriptors(&self) -> usize {
        let each = self.services.iter().map(|one| one.database_descriptors());
        each.sum()
    }

    /// Returns the configuration of `S`.
    ///
    /// # Errors
    /// If it does not run here: a defect.
    pub(crate) fn of<S: ServiceBinary>(&mut self) -> Result<&mut S::Config, StartError> {
        let mut services = self.services.iter_mut();
        services
            .find(|one| one.service() == S::SERVICE)
            .and_then(|one| one.config().downcast_mut())
            .ok_or_else(|| StartError::internal(format!("{} does not run here", S::SERVICE)))
    }

    /// Returns auth's configuration.
    ///
    /// # Errors
    /// As [`Config::of`].
    pub(crate) fn auth(&mut self) -> Result<AuthConfig, StartError> {
        self.of::<AuthService>().cloned()
    }
}
