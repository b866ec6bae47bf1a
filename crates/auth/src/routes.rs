//! Every path of this service.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig, get, post, resource};
use ud_events::offer_events;
use ud_http::{Internal, Routes};

use crate::{
    controllers::{
        change_password::change_password,
        create_credential::create_credential,
        introspect_for_service::introspect_for_service,
        introspect_token::introspect_token,
        list_keys::list_keys,
        log_in::log_in,
        log_out::log_out,
        read_credential::read_credential,
        read_jwks::{JWKS_PATH, read_jwks},
        reauthenticate::reauthenticate,
        receive_events::receive_events,
        refresh_tokens::refresh_tokens,
        revoke_key::revoke_key,
        revoke_token::revoke_token,
        rotate_keys::rotate_keys,
        set_credential_status::set_credential_status,
        unlock_credential::unlock_credential,
        validate_token::validate_token,
    },
    state::AuthState,
};

/// Path prefixes that are this service's own.
pub const PREFIXES: &[&str] = &["/api/v1/auth", "/.well-known/jwks.json"];

/// Resources of the public listener.
#[must_use]
pub fn public(state: &AuthState) -> Routes {
    let state = Data::new(state.clone());
    Arc::new(move |cfg: &mut ServiceConfig| {
        cfg.app_data(state.clone())
            .service(resource("/api/v1/auth/login").route(post().to(log_in)))
            .service(resource("/api/v1/auth/refresh").route(post().to(refresh_tokens)))
            .service(resource("/api/v1/auth/reauthenticate").route(post().to(reauthenticate)))
            .service(resource("/api/v1/auth/logout").route(post().to(log_out)))
            .service(resource("/api/v1/auth/validate").route(get().to(validate_token)))
            .service(resource("/api/v1/auth/introspect").route(post().to(introspect_token)))
            .service(resource("/api/v1/auth/revoke").route(post().to(revoke_token)))
            .service(resource("/api/v1/auth/password/change").route(post().to(change_password)))
            .service(resource("/api/v1/auth/keys").route(get().to(list_keys)))
            .service(resource("/api/v1/auth/keys/rotate").route(post().to(rotate_keys)))
            .service(resource("/api/v1/auth/keys/{kid}/revoke").route(post().to(revoke_key)))
            .service(resource(JWKS_PATH).route(get().to(read_jwks)));
    })
}

/// Returns what auth offers the other services, and the JWK set, which they fetch here without going through the gateway.
#[must_use]
pub fn internal(state: &AuthState) -> Internal {
    let data = Data::new(state.clone());
    let internal = Internal::default()
        .offer(state, read_credential)
        .offer(state, create_credential)
        .offer(state, set_credential_status)
        .offer(state, unlock_credential)
        .over_http(move |cfg| {
            cfg.app_data(data.clone())
                .service(
                    resource("/internal/v1/introspect").route(post().to(introspect_for_service)),
                )
                .service(resource(JWKS_PATH).route(get().to(read_jwks)));
        });
    offer_events(internal, &state.metrics, state, receive_events)
}
