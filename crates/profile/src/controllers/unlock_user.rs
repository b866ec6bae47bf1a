//! `POST /api/v1/users/{id}/unlock`

use crate::limits;
use actix_web::web;
use ud_http::{Authed, Limited, Problem, Refused, TooMany, permissions::UsersWrite};
use ud_kernel::UserId;

use super::refused;
use crate::{state::ProfileState, views::UnlockedUserResponse};

/// Unlock a user.
///
/// Makes a code for the owner of an account that other people's wrong passwords keep waiting. Hand it to the owner, who
/// sends it as `unlock_code` with a login within ten minutes: the password may then be tried five times, whatever has been
/// counted. A new code takes the place of the one before. Not oneself, nobody who holds more of the platform's permissions
/// than the caller.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/unlock",
    tag = "users",
    params(("id" = String, Path, format = Uuid, description = "The user")),
    security(("bearer" = ["users:write"])),
    responses(
        (status = 200, description = "A code", body = UnlockedUserResponse),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, TooMany<limits::UnlockUser>, Refused<503>,
    )
)]
pub async fn unlock_user(
    state: web::Data<ProfileState>,
    authed: Authed<Limited<limits::UnlockUser, UsersWrite>>,
    id: web::Path<UserId>,
) -> Result<web::Json<UnlockedUserResponse>, Problem> {
    let id = id.into_inner();
    let unlocked = state
        .accounts
        .unlock(authed.user_id(), &authed.origin(), id)
        .await
        .map_err(|error| refused(&state, &authed, id, error))?;
    Ok(web::Json(unlocked.into()))
}
