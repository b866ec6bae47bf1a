//! `POST /api/v1/users/{id}/unlock`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Limited, Problem, Refused, TooMany, limits, permissions::UsersWrite};
use ud_kernel::UserId;

use super::refused;
use crate::state::ProfileState;

/// Unlock a user.
///
/// Wrong passwords counted against the account are forgotten, so that its owner need not wait; those counted against
/// an address stay. Not oneself, nobody who holds more of the platform's permissions than the caller. Unlocking a
/// user who is not locked is no error.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/unlock",
    tag = "users",
    params(("id" = String, Path, format = Uuid, description = "The user")),
    security(("bearer" = ["users:write"])),
    responses(
        (status = 204, description = "Unlocked"),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, TooMany<limits::UnlockUser>, Refused<503>,
    )
)]
pub async fn unlock_user(
    state: web::Data<ProfileState>,
    authed: Authed<Limited<limits::UnlockUser, UsersWrite>>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    state
        .accounts
        .unlock(authed.user_id(), &authed.origin(), id)
        .await
        .map_err(|error| refused(&state, &authed, id, error))?;
    Ok(HttpResponse::NoContent().finish())
}
