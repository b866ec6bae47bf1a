//! `GET /api/v1/auth/validate`

use actix_web::{HttpRequest, HttpResponse, web};
use ud_http::{Authed, ClientAddress, Own, Problem, Refused};

use super::within;
use crate::{state::AuthState, views::ValidateResponse};

/// Tells what an access token stands for.
#[utoipa::path(
    get,
    path = "/api/v1/auth/validate",
    tag = "auth",
    description = "Tells what the access token stands for, in the body and in headers: made for NGINX `auth_request`.",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The token is good", body = ValidateResponse, headers(
            ("X-User-Id" = String, description = "The user"),
            ("X-Session-Id" = String, description = "The session"),
            ("X-User-Roles" = String, description = "Roles, separated by commas"),
        )),
        Refused<401>, Refused<429>, Refused<503>,
    )
)]
pub async fn validate_token(
    state: web::Data<AuthState>,
    authed: Authed<Own>,
    address: ClientAddress,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let peer = request.peer_addr().map(|a| a.ip());
    if !peer.is_some_and(|peer| state.trusted_proxies.trusts(peer)) {
        within(
            &state,
            &state.limiters.validate,
            &address.bucket(),
            "GET /api/v1/auth/validate",
            &authed.origin,
        )
        .await?;
    }
    let caller = &authed.caller;
    Ok(HttpResponse::Ok()
        .insert_header(("X-User-Id", caller.user_id().to_string()))
        .insert_header(("X-Session-Id", caller.session_id().to_string()))
        .insert_header(("X-User-Roles", caller.roles().join(",")))
        .json(ValidateResponse::from(caller)))
}
