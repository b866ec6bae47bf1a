//! The services that run here. A further one is a line in [`SERVICES`].

use std::{any::Any, future::Future, pin::Pin};

use auth_service::AuthService;
use role_service::RoleService;
use session_service::SessionService;
use ud_config::{DatabaseConfig, Loader};
use ud_http::{MigrateArguments, Mounted, Revert, ServiceBinary};
use ud_kernel::{Service, StartError};
use ud_service::{ServiceContext, limits::Operation};
use user_audit_service::AuditService;
use user_profile_service::ProfileService;
use utoipa::openapi::OpenApi;

/// All of them, auth first: its guard, which knows the signing keys, is everybody's.
pub static SERVICES: &[Known] = &[
    Known::new::<AuthService>(),
    Known::new::<RoleService>(),
    Known::new::<SessionService>(),
    Known::new::<AuditService>(),
    Known::new::<ProfileService>(),
];

/// A service as this program knows it.
#[derive(Debug)]
pub struct Known {
    /// The service.
    pub service: Service,
    /// Returns its OpenAPI document: public operations only.
    pub openapi: fn() -> OpenApi,
    /// Its operations that have a limit.
    pub limited: &'static [Operation],
    pub(crate) load: fn(&mut Loader) -> Box<dyn Configured>,
}

impl Known {
    const fn new<S: ServiceBinary>() -> Self {
        Self {
            service: S::SERVICE,
            openapi: S::openapi,
            limited: S::LIMITED,
            load: |loader| Box::new(Of::<S>(S::load(loader))),
        }
    }
}

type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, StartError>> + 'a>>;

/// A service with its configuration, whichever it is: [`ServiceBinary`] as an object.
pub(crate) trait Configured {
    fn service(&self) -> Service;
    fn database(&self) -> Option<&DatabaseConfig>;
    fn database_descriptors(&self) -> usize;
    fn ring_files(&self) -> Vec<&'static str>;
    fn build(self: Box<Self>, context: ServiceContext) -> Work<'static, Mounted>;
    fn migrate(&self) -> Work<'_, ()>;
    fn revert(&self, arguments: MigrateArguments) -> Work<'_, Revert>;
    fn rewrap(&self, context: ServiceContext) -> Work<'_, ()>;
    /// Returns its configuration, for what one service alone can do.
    fn config(&mut self) -> &mut dyn Any;
}

struct Of<S: ServiceBinary>(S::Config);

impl<S: ServiceBinary> Configured for Of<S> {
    fn service(&self) -> Service {
        S::SERVICE
    }

    fn database(&self) -> Option<&DatabaseConfig> {
        S::database(&self.0)
    }

    fn database_descriptors(&self) -> usize {
        S::database_descriptors(&self.0)
    }

    fn ring_files(&self) -> Vec<&'static str> {
        S::ring_files(&self.0)
    }

    fn build(self: Box<Self>, context: ServiceContext) -> Work<'static, Mounted> {
        Box::pin(S::build(self.0, context))
    }

    fn migrate(&self) -> Work<'_, ()> {
        Box::pin(S::migrate(self.0.clone()))
    }

    fn revert(&self, arguments: MigrateArguments) -> Work<'_, Revert> {
        Box::pin(S::revert(self.0.clone(), arguments))
    }

    fn rewrap(&self, context: ServiceContext) -> Work<'_, ()> {
        Box::pin(S::rewrap(self.0.clone(), context))
    }

    fn config(&mut self) -> &mut dyn Any {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_runs_here_and_auth_is_the_first() {
        let mut here: Vec<_> = SERVICES.iter().map(|known| known.service).collect();
        assert_eq!(here.first(), Some(&Service::Auth));
        here.sort_unstable();
        assert_eq!(here, Service::ALL);
    }
}
