//! `POST /api/v1/auth/keys/{kid}/revoke`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Limited, Problem, Refused, TooMany, permissions::KeysWrite};
use ud_service::Fresh;

use crate::{flows::signing_keys, limits, state::AuthState, views::KeyResponse};

/// Revokes a key that leaked.
#[utoipa::path(
    post,
    path = "/api/v1/auth/keys/{kid}/revoke",
    tag = "auth",
    description = "Takes a key out of the JWK set at once and for good, and destroys its private half: every token it signed is refused, and clients refresh. If it is the active key, the published one signs at once, or a new one. Repeating it changes nothing. `Revocation: pending` in the answer: the session service could not be reached, and will be told; until then verifiers find out by the JWK set.",
    security(("bearer" = ["keys:write"])),
    extensions(("x-max-login-age" = json!(300))),
    params(("kid" = String, Path, description = "Id of the key, as in the JWK set")),
    responses(
        (status = 200, description = "The revoked key", body = KeyResponse, headers(("Revocation" = String, description = "`pending` if it takes effect later"))),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, TooMany<limits::RevokeKey>, Refused<503>,
    )
)]
pub async fn revoke_key(
    state: web::Data<AuthState>,
    authed: Authed<Limited<limits::RevokeKey, Fresh<KeysWrite>>>,
    kid: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let (revoked, revocation) =
        signing_keys::revoke_key(&state, kid.into_inner(), authed.origin()).await?;
    let mut answer = HttpResponse::Ok();
    state
        .revocations
        .tell("key_revocation", revocation, &mut answer);
    Ok(answer.json(KeyResponse::from(revoked)))
}
