//! Every path of this service.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig, delete, get, patch, post, resource};
use ud_events::offer_events;
use ud_http::{Internal, Routes};

use crate::{
    controllers::{
        check_permission::check_permission, create_administrator::create_administrator,
        create_assignment::create_assignment, create_role::create_role,
        delete_assignment::delete_assignment, delete_role::delete_role,
        list_assignments::list_assignments, list_roles::list_roles, read_access::read_access,
        read_assignment::read_assignment, read_role::read_role, receive_events::receive_events,
        set_standing::set_standing, update_role::update_role,
    },
    state::RoleState,
};

/// Path prefixes that are this service's own.
pub const PREFIXES: &[&str] = &["/api/v1/roles", "/api/v1/role-assignments"];

/// Resources of the public listener.
#[must_use]
pub fn public(state: &RoleState) -> Routes {
    let state = Data::new(state.clone());
    Arc::new(move |cfg: &mut ServiceConfig| {
        cfg.app_data(state.clone());
        cfg.service(
            resource("/api/v1/roles")
                .route(post().to(create_role))
                .route(get().to(list_roles)),
        );
        cfg.service(resource("/api/v1/roles/check").route(post().to(check_permission)));
        cfg.service(
            resource("/api/v1/roles/{id}")
                .route(get().to(read_role))
                .route(patch().to(update_role))
                .route(delete().to(delete_role)),
        );
        cfg.service(
            resource("/api/v1/role-assignments")
                .route(post().to(create_assignment))
                .route(get().to(list_assignments)),
        );
        cfg.service(
            resource("/api/v1/role-assignments/{id}")
                .route(get().to(read_assignment))
                .route(delete().to(delete_assignment)),
        );
    })
}

/// Returns what role offers the other services.
#[must_use]
pub fn internal(state: &RoleState) -> Internal {
    let internal = Internal::default()
        .offer(state, read_access)
        .offer(state, set_standing)
        .offer(state, create_administrator);
    offer_events(internal, &state.metrics, state, receive_events)
}
