//! `GET /api/v1/auth/keys`

use actix_web::web;
use ud_http::{Authed, Problem, Refused, permissions::KeysRead};

use crate::{
    flows::signing_keys,
    state::AuthState,
    views::{KeyListResponse, KeyResponse},
};

/// Lists the keys that sign access tokens.
#[utoipa::path(
    get,
    path = "/api/v1/auth/keys",
    tag = "auth",
    description = "The keys that sign, will sign, or signed access tokens that may still live, and those revoked within 30 days; the newest first. Never a private half. None where a shared secret signs.",
    security(("bearer" = ["keys:read"])),
    responses(
        (status = 200, description = "The keys", body = KeyListResponse),
        Refused<401>, Refused<403>, Refused<503>,
    )
)]
pub async fn list_keys(
    state: web::Data<AuthState>,
    _authed: Authed<KeysRead>,
) -> Result<web::Json<KeyListResponse>, Problem> {
    let keys = signing_keys::list_keys(&state).await?;
    let items = keys.into_iter().map(KeyResponse::from).collect();
    Ok(web::Json(KeyListResponse { items }))
}
