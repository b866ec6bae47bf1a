//! What hangs on the two listeners.

use std::sync::Arc;

use actix_cors::Cors;
use actix_web::{guard, http::header, middleware, web};
use ud_kernel::{Code, FieldError};

use crate::{
    Problem, docs,
    health::{self, Health},
    internal,
    mounted::Routed,
};

/// What a worker thread builds the application of the public listener from.
#[derive(Clone)]
pub(crate) struct PublicApp {
    pub(crate) mounted: Arc<Vec<Routed>>,
    pub(crate) cors: Vec<String>,
    pub(crate) docs: bool,
    pub(crate) standalone: bool,
    pub(crate) health: web::Data<Health>,
}

impl PublicApp {
    pub(crate) fn configure(&self, cfg: &mut web::ServiceConfig) {
        cfg.app_data(self.health.clone());
        cfg.configure(parameter_errors);
        cfg.service(web::resource("/healthz").route(web::get().to(health::healthz)));
        if self.standalone {
            cfg.service(web::resource("/readyz").route(web::get().to(health::readyz_brief)));
        }
        if self.docs {
            docs::page(cfg);
            for service in self.mounted.iter() {
                if let Some(path) = service.service.declaration().openapi {
                    docs::document(cfg, path, &service.openapi);
                }
            }
        }
        for service in self.mounted.iter() {
            let prefixes = service.prefixes;
            let routes = Arc::clone(&service.public);
            cfg.service(
                web::scope("")
                    .guard(guard::fn_guard(move |ctx| {
                        is_below(ctx.head().uri.path(), prefixes)
                    }))
                    .app_data(web::Data::new(service.guard.clone()))
                    .configure(move |cfg| routes(cfg)),
            );
        }
    }

    /// Off unless origins are listed; then exactly those, without credentials.
    pub(crate) fn cors_middleware(&self) -> middleware::Condition<Cors> {
        let mut cors = Cors::default()
            .allowed_methods(["GET", "POST", "PUT", "PATCH", "DELETE"])
            .allowed_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_MATCH,
                header::HeaderName::from_static("idempotency-key"),
            ])
            .expose_headers([
                "etag",
                "location",
                "retry-after",
                "revocation",
                "x-request-id",
            ])
            .max_age(600);
        for origin in &self.cors {
            cors = cors.allowed_origin(origin);
        }
        middleware::Condition::new(!self.cors.is_empty(), cors)
    }
}

/// Resources of the internal listener.
pub(crate) fn configure_internal(
    cfg: &mut web::ServiceConfig,
    mounted: &[Routed],
    health: web::Data<Health>,
    standalone: bool,
) {
    cfg.app_data(health);
    cfg.configure(parameter_errors);
    cfg.service(web::resource("/healthz").route(web::get().to(health::healthz)));
    cfg.service(web::resource("/readyz").route(web::get().to(health::readyz)));
    cfg.service(web::resource("/metrics").route(web::get().to(health::metrics)));
    for service in mounted {
        let internal = service.internal.clone();
        let prefix = if standalone {
            format!("/{}", service.service)
        } else {
            String::new()
        };
        cfg.service(
            web::scope(&prefix)
                .app_data(web::Data::new(service.gate.clone()))
                // For tokens in bodies: no route here takes one as its caller's.
                .app_data(web::Data::new(service.guard.clone()))
                .service(web::resource("/healthz").route(web::get().to(health::healthz)))
                .service(web::resource(ud_peer::CALLER).route(web::get().to(internal::caller)))
                .configure(move |cfg| internal.configure(cfg, standalone)),
        );
    }
}

/// Bad path segments and query parameters become problems too.
fn parameter_errors(cfg: &mut web::ServiceConfig) {
    cfg.app_data(web::PathConfig::default().error_handler(|e, _| {
        let error = FieldError::new(
            "path",
            "parameter.invalid",
            "a path segment has the wrong form",
        );
        Problem::new(Code::REQUEST_INVALID_PARAMETER)
            .field(error)
            .cause(e)
            .into()
    }));
    cfg.app_data(web::QueryConfig::default().error_handler(|e, _| {
        let error = FieldError::new(
            "query",
            "parameter.invalid",
            "a query parameter is unknown or has the wrong form",
        );
        Problem::new(Code::REQUEST_INVALID_PARAMETER)
            .field(error)
            .cause(e)
            .into()
    }));
}

/// Whether `path` is one of `prefixes` or below it.
fn is_below(path: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

pub(crate) async fn not_found() -> Result<actix_web::HttpResponse, Problem> {
    Err(Problem::new(Code::REQUEST_NOT_FOUND))
}
