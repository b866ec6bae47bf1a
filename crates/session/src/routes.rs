//! Every path of this service.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig, delete, get, post, put, resource};
use ud_events::events_resource;
use ud_http::Routes;

use crate::{
    controllers::{
        close_session::close_session, close_sessions::close_sessions,
        close_user_sessions::close_user_sessions, create_session::create_session,
        follow_revocations::follow_revocations, list_sessions::list_sessions,
        read_session::read_session, read_state::read_state, receive_events::receive_events,
        revoke_key::revoke_key, set_mark::set_mark, step_session::step_session,
    },
    state::SessionState,
};

/// Path prefixes that are this service's own.
pub const PREFIXES: &[&str] = &["/api/v1/sessions"];

/// Where the OpenAPI document is.
pub const OPENAPI: &str = "/api/v1/sessions/openapi.json";

/// Resources of the public listener.
#[must_use]
pub fn public(state: &SessionState) -> Routes {
    let state = Data::new(state.clone());
    Arc::new(move |cfg: &mut ServiceConfig| {
        cfg.app_data(state.clone());
        cfg.service(
            resource("/api/v1/sessions")
                .route(get().to(list_sessions))
                .route(delete().to(close_sessions)),
        );
        cfg.service(
            resource("/api/v1/sessions/{id}")
                .route(get().to(read_session))
                .route(delete().to(close_session)),
        );
    })
}

/// Resources of the internal listener.
#[must_use]
pub fn internal(state: &SessionState) -> Routes {
    let state = state.clone();
    Arc::new(move |cfg: &mut ServiceConfig| {
        cfg.app_data(Data::new(state.clone()));
        cfg.service(resource("/internal/v1/sessions/step").route(post().to(step_session)));
        cfg.service(resource("/internal/v1/sessions/close").route(post().to(close_user_sessions)));
        cfg.service(resource("/internal/v1/sessions/{id}").route(put().to(create_session)));
        cfg.service(resource("/internal/v1/sessions/{id}/state").route(get().to(read_state)));
        cfg.service(resource("/internal/v1/revocations").route(get().to(follow_revocations)));
        cfg.service(resource("/internal/v1/marks").route(post().to(set_mark)));
        cfg.service(resource("/internal/v1/revoked-keys").route(post().to(revoke_key)));
        cfg.service(events_resource(
            &state.metrics,
            state.clone(),
            receive_events,
        ));
    })
}
