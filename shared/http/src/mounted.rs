//! A service as a server takes it: its routes, its guards, and its background work.

use std::sync::Arc;

use actix_web::web;
use ud_kernel::Service;
use ud_service::{InternalGate, Task, TokenGuard};
use utoipa::openapi::OpenApi;

use crate::{Internal, Readiness};

/// Registers a service's resources.
pub type Routes = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// One service, ready to be put on a server.
pub struct Mounted {
    /// Which service.
    pub service: Service,
    /// Path prefixes that are its own on the public listener.
    pub prefixes: &'static [&'static str],
    /// Its OpenAPI document: public operations only.
    pub openapi: OpenApi,
    /// Resources of the public listener, full paths.
    pub public: Routes,
    /// What the service offers the others, and further resources of the internal listener, full paths.
    pub internal: Internal,
    /// Guards the public resources.
    pub guard: TokenGuard,
    /// Guards the internal resources.
    pub gate: InternalGate,
    /// When it is ready.
    pub readiness: Readiness,
    /// Most descriptors that the connections to its own database hold: clients cannot have these.
    pub database_descriptors: usize,
    /// Its background work.
    pub tasks: Vec<Task>,
}

/// A service without its background work: what each worker thread builds its application from.
pub(crate) struct Routed {
    pub(crate) service: Service,
    pub(crate) prefixes: &'static [&'static str],
    pub(crate) openapi: OpenApi,
    pub(crate) public: Routes,
    pub(crate) internal: Internal,
    pub(crate) guard: TokenGuard,
    pub(crate) gate: InternalGate,
    pub(crate) readiness: Readiness,
}

impl Mounted {
    /// Takes the background work apart.
    pub(crate) fn split(self) -> (Routed, Vec<Task>) {
        let routed = Routed {
            service: self.service,
            prefixes: self.prefixes,
            openapi: self.openapi,
            public: self.public,
            internal: self.internal,
            guard: self.guard,
            gate: self.gate,
            readiness: self.readiness,
        };
        (routed, self.tasks)
    }
}
