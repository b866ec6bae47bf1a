//! `POST /api/v1/auth/keys/rotate`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Limited, Problem, Refused, TooMany, permissions::KeysWrite};
use ud_service::Fresh;

use crate::{flows::signing_keys, limits, state::AuthState, views::KeyResponse};

/// Rotates the keys that sign access tokens.
#[utoipa::path(
    post,
    path = "/api/v1/auth/keys/rotate",
    tag = "auth",
    description = "Publishes a new key in the JWK set, which signs from `activates_at` on, in 10 minutes; the active key then retires, and verifies until the last token it signed has ended. While a key waits already, the answer is that key: asking twice rotates once. Where a shared secret signs there is nothing to rotate: 409 `key.shared-secret`.",
    security(("bearer" = ["keys:write"])),
    extensions(("x-max-login-age" = json!(300))),
    responses(
        (status = 202, description = "The key that will sign", body = KeyResponse),
        Refused<401>, Refused<403>, Refused<409>, TooMany<limits::RotateKeys>, Refused<503>,
    )
)]
pub async fn rotate_keys(
    state: web::Data<AuthState>,
    authed: Authed<Limited<limits::RotateKeys, Fresh<KeysWrite>>>,
) -> Result<HttpResponse, Problem> {
    let key = signing_keys::rotate_keys(&state, authed.origin()).await?;
    Ok(HttpResponse::Accepted().json(KeyResponse::from(key)))
}
