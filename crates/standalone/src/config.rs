//! The whole configuration, read at once so that every problem is reported at once.

use auth_service::{AuthConfig, AuthService};
use role_service::RoleService;
use session_service::SessionService;
use ud_config::{AppEnv, Loader, LogConfig, StandaloneConfig, TokenConfig, keys};
use ud_http::ServiceBinary;
use ud_kernel::{Service, StartError};
use user_audit_service::AuditService;
use user_profile_service::{ProfileConfig, ProfileService};

/// What all five services and the process around them are told.
pub(crate) struct Config {
    pub(crate) env: AppEnv,
    pub(crate) standalone: StandaloneConfig,
    pub(crate) tokens: TokenConfig,
    /// Nobody said what `iss` is: it is this process's own address.
    pub(crate) is_issuer_unset: bool,
    pub(crate) auth: AuthConfig,
    pub(crate) role: <RoleService as ServiceBinary>::Config,
    pub(crate) session: <SessionService as ServiceBinary>::Config,
    pub(crate) audit: <AuditService as ServiceBinary>::Config,
    pub(crate) profile: ProfileConfig,
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
            auth: AuthService::load(&mut loader),
            role: RoleService::load(&mut loader),
            session: SessionService::load(&mut loader),
            audit: AuditService::load(&mut loader),
            profile: ProfileService::load(&mut loader),
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

    /// Most descriptors that the connections to the five databases hold.
    pub(crate) fn database_descriptors(&self) -> usize {
        AuthService::database_descriptors(&self.auth)
            + RoleService::database_descriptors(&self.role)
            + SessionService::database_descriptors(&self.session)
            + AuditService::database_descriptors(&self.audit)
            + ProfileService::database_descriptors(&self.profile)
    }
}
