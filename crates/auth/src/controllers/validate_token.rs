//! `GET /api/v1/auth/validate`

use actix_web::{HttpResponse, http::header::HeaderName};
use ud_http::{Authed, Limited, Problem, Refused, TooMany};
use ud_service::Own;

use crate::limits;
use crate::views::ValidateResponse;

const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const SESSION_ID: HeaderName = HeaderName::from_static("x-session-id");
const USER_ROLES: HeaderName = HeaderName::from_static("x-user-roles");

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
        Refused<401>, TooMany<limits::Validate>, Refused<503>,
    )
)]
pub async fn validate_token(
    authed: Authed<Limited<limits::Validate, Own>>,
) -> Result<HttpResponse, Problem> {
    let caller = &authed.caller;
    Ok(HttpResponse::Ok()
        .insert_header((USER_ID, caller.user_id().to_string()))
        .insert_header((SESSION_ID, caller.session_id().to_string()))
        .insert_header((USER_ROLES, caller.roles().join(",")))
        .json(ValidateResponse::from(caller)))
}
