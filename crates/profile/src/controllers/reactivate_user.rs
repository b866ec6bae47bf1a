//! `POST /api/v1/users/{id}/reactivate`

use crate::limits;
use actix_web::{HttpResponse, web};
use ud_http::{Authed, Limited, Problem, Refused, TooMany, permissions::UsersWrite};
use ud_kernel::UserId;

use super::change_status;
use crate::{models::StatusChange, state::ProfileState, views::UserResponse};

/// Reactivate a suspended user.
///
/// The user can log in again. Not oneself, nobody who holds more of the platform's permissions than the caller.
/// Reactivating an active user changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/reactivate",
    tag = "users",
    params(("id" = String, Path, format = Uuid, description = "The user")),
    security(("bearer" = ["users:write"])),
    responses(
        (status = 200, description = "The active user", body = UserResponse, headers(
            ("ETag" = String, description = "The user's version"),
            ("Revocation" = Option<String>, description = "`pending`: auth is told a little later")
        )),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, TooMany<limits::ReactivateUser>, Refused<503>,
    )
)]
pub async fn reactivate_user(
    state: web::Data<ProfileState>,
    authed: Authed<Limited<limits::ReactivateUser, UsersWrite>>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, Problem> {
    change_status(
        &state,
        &authed,
        id.into_inner(),
        StatusChange::Reactivate,
        "reactivate",
    )
    .await
}
