//! Every path of this service.

use actix_web::web;
use ud_events::events_resource;
use ud_http::Problem;
use ud_telemetry::Metrics;

use crate::{
    controllers::{create_audit, list_audits, read_audit},
    state::AuditState,
};

/// Prefixes of the public paths.
pub const PREFIXES: &[&str] = &["/api/v1/audits"];

/// The public listener.
pub fn public(cfg: &mut web::ServiceConfig, state: &AuditState) {
    cfg.app_data(web::Data::new(state.clone()))
        .service(
            web::resource("/api/v1/audits")
                .route(web::post().to(create_audit::create_audit))
                .route(web::get().to(list_audits::list_audits)),
        )
        .service(web::resource("/api/v1/audits/{id}").route(web::get().to(read_audit::read_audit)));
}

/// The internal listener.
pub fn internal(cfg: &mut web::ServiceConfig, state: &AuditState, metrics: &Metrics) {
    let flow = state.flow.clone();
    cfg.service(events_resource(metrics, move |_, batch| {
        let flow = flow.clone();
        async move { flow.receive(batch).await.map_err(Problem::from) }
    }));
}
