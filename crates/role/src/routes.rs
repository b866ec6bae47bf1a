//! Every path of this service.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig, delete, get, patch, post, put, resource};
use ud_events::events_resource;
use ud_http::Routes;

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

/// Where the OpenAPI document is.
pub const OPENAPI: &str = "/api/v1/roles/openapi.json";

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

/// Resources of the internal listener.
#[must_use]
pub fn internal(state: &RoleState) -> Routes {
    let state = state.clone();
    Arc::new(move |cfg: &mut ServiceConfig| {
        cfg.app_data(Data::new(state.clone()));
        cfg.service(resource("/internal/v1/users/{id}/access").route(get().to(read_access)));
        cfg.service(resource("/internal/v1/users/{id}/standing").route(put().to(set_standing)));
        cfg.service(resource("/internal/v1/administrators").route(post().to(create_administrator)));
        cfg.service(events_resource(
            &state.metrics,
            state.clone(),
            receive_events,
        ));
    })
}
