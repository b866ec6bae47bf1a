//! Every path of this service.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig, delete, get, patch, post, resource};
use ud_events::offer_events;
use ud_http::{Internal, Routes};

use crate::{
    controllers::{
        delete_user::delete_user, list_users::list_users, reactivate_user::reactivate_user,
        read_me::read_me, read_user::read_user, receive_events::receive_events,
        register_user::register_user, search_users::search_users, suspend_user::suspend_user,
        unlock_user::unlock_user, update_user::update_user,
    },
    state::ProfileState,
};

/// Path prefixes that are this service's own.
pub const PREFIXES: &[&str] = &["/api/v1/users"];

/// Resources of the public listener.
#[must_use]
pub fn public(state: &ProfileState) -> Routes {
    let state = Data::new(state.clone());
    Arc::new(move |cfg: &mut ServiceConfig| {
        cfg.app_data(state.clone());
        cfg.service(
            resource("/api/v1/users")
                .route(post().to(register_user))
                .route(get().to(list_users)),
        );
        cfg.service(resource("/api/v1/users/me").route(get().to(read_me)));
        cfg.service(resource("/api/v1/users/search").route(post().to(search_users)));
        cfg.service(
            resource("/api/v1/users/{id}")
                .route(get().to(read_user))
                .route(patch().to(update_user))
                .route(delete().to(delete_user)),
        );
        cfg.service(resource("/api/v1/users/{id}/suspend").route(post().to(suspend_user)));
        cfg.service(resource("/api/v1/users/{id}/reactivate").route(post().to(reactivate_user)));
        cfg.service(resource("/api/v1/users/{id}/unlock").route(post().to(unlock_user)));
    })
}

/// Returns what profile offers the other services.
#[must_use]
pub fn internal(state: &ProfileState) -> Internal {
    offer_events(Internal::default(), &state.metrics, state, receive_events)
}
