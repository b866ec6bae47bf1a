//! Every path of this service.

use actix_web::web;
use ud_events::events_resource;
use ud_telemetry::Metrics;

use crate::{
    controllers::{
        close_session, close_sessions, follow_revocations, internal, list_sessions, read_session,
    },
    state::SessionState,
};

/// Prefixes of the public paths.
pub const PREFIXES: &[&str] = &["/api/v1/sessions"];

/// The public listener.
pub fn public(cfg: &mut web::ServiceConfig, state: &SessionState) {
    cfg.app_data(web::Data::new(state.clone()))
        .service(
            web::resource("/api/v1/sessions")
                .route(web::get().to(list_sessions::list_sessions))
                .route(web::delete().to(close_sessions::close_sessions)),
        )
        .service(
            web::resource("/api/v1/sessions/{id}")
                .route(web::get().to(read_session::read_session))
                .route(web::delete().to(close_session::close_session)),
        );
}

/// The internal listener.
pub fn internal(cfg: &mut web::ServiceConfig, state: &SessionState, metrics: &Metrics) {
    let receiver = state.clone();
    cfg.app_data(web::Data::new(state.clone()))
        .service(
            web::resource("/internal/v1/sessions/step")
                .route(web::post().to(internal::step_session)),
        )
        .service(
            web::resource("/internal/v1/sessions/close")
                .route(web::post().to(internal::close_sessions)),
        )
        .service(
            web::resource("/internal/v1/sessions/{id}")
                .route(web::put().to(internal::create_session)),
        )
        .service(
            web::resource("/internal/v1/sessions/{id}/state")
                .route(web::get().to(internal::read_state)),
        )
        .service(
            web::resource("/internal/v1/revocations")
                .route(web::get().to(follow_revocations::follow_revocations)),
        )
        .service(web::resource("/internal/v1/marks").route(web::post().to(internal::set_mark)))
        .service(
            web::resource("/internal/v1/revoked-keys").route(web::post().to(internal::revoke_key)),
        )
        .service(events_resource(metrics, move |_, batch| {
            internal::receive_events(receiver.clone(), batch)
        }));
}
