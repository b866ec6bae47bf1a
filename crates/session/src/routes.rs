//! Every path of this service.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig, delete, get, resource};
use ud_events::offer_events;
use ud_http::{Internal, Routes};
use ud_kernel::operation;

use crate::{
    controllers::{
        close_session::close_session, close_sessions::close_sessions,
        close_user_sessions::close_user_sessions, create_session::create_session,
        follow_locally::follow_locally, follow_revocations::follow_revocations,
        list_sessions::list_sessions, read_session::read_session, read_state::read_state,
        receive_events::receive_events, revoke_key::revoke_key, rotate_session::rotate_session,
        set_not_before::set_not_before,
    },
    state::SessionState,
};

/// Path prefixes that are this service's own.
pub const PREFIXES: &[&str] = &["/api/v1/sessions"];

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

/// Returns what session offers the other services, and the revocation feed.
#[must_use]
pub fn internal(state: &SessionState) -> Internal {
    let (data, followed) = (Data::new(state.clone()), state.clone());
    let internal = Internal::default()
        .offer(state, create_session)
        .offer(state, rotate_session::<operation::RotateSession>)
        .offer(state, rotate_session::<operation::StepSession>)
        .offer(state, close_user_sessions)
        .offer(state, read_state)
        .offer(state, set_not_before::<operation::SetNotBefore>)
        .offer(state, set_not_before::<operation::SetMark>)
        .offer(state, revoke_key)
        .everywhere(move |cfg| {
            cfg.app_data(data.clone())
                .service(resource("/internal/v1/revocations").route(get().to(follow_revocations)));
        })
        .locally(move |_, operations| {
            let state = followed.clone();
            operations.offer_feed(Arc::new(move |known| {
                Box::pin(follow_locally(state.clone(), known))
            }));
        });
    offer_events(internal, &state.metrics, state, receive_events)
}
