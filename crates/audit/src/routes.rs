//! Every path of this service.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig, get, post, resource};
use ud_events::offer_events;
use ud_http::{Internal, Routes};

use crate::{
    controllers::{
        create_audit::create_audit, list_audits::list_audits, read_audit::read_audit,
        receive_events::receive_events,
    },
    state::AuditState,
};

/// Path prefixes that are this service's own.
pub const PREFIXES: &[&str] = &["/api/v1/audits"];

/// Resources of the public listener.
#[must_use]
pub fn public(state: &AuditState) -> Routes {
    let state = Data::new(state.clone());
    Arc::new(move |cfg: &mut ServiceConfig| {
        cfg.app_data(state.clone());
        cfg.service(
            resource("/api/v1/audits")
                .route(post().to(create_audit))
                .route(get().to(list_audits)),
        );
        cfg.service(resource("/api/v1/audits/{id}").route(get().to(read_audit)));
    })
}

/// Returns what audit offers the other services.
#[must_use]
pub fn internal(state: &AuditState) -> Internal {
    offer_events(Internal::default(), &state.metrics, state, receive_events)
}
