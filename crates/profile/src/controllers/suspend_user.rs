//! `POST /api/v1/users/{id}/suspend`

use crate::limits;
use actix_web::{HttpResponse, web};
use ud_http::{Authed, Limited, Problem, Refused, TooMany, permissions::UsersWrite};
use ud_kernel::UserId;

use super::change_status;
use crate::{models::StatusChange, state::ProfileState, views::UserResponse};

/// Suspend a user.
///
/// The user cannot log in and all their sessions are closed. Not oneself, not an administrator, nobody who holds
/// more of the platform's permissions than the caller. Suspending a suspended user changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/suspend",
    tag = "users",
    params(("id" = String, Path, format = Uuid, description = "The user")),
    security(("bearer" = ["users:write"])),
    responses(
        (status = 200, description = "The suspended user", body = UserResponse, headers(
            ("ETag" = String, description = "The user's version"),
            ("Revocation" = Option<String>, description = "`pending`: sessions are closed a little later")
        )),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, TooMany<limits::SuspendUser>, Refused<503>,
    )
)]
pub async fn suspend_user(
    state: web::Data<ProfileState>,
    authed: Authed<Limited<limits::SuspendUser, UsersWrite>>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, Problem> {
    change_status(
        &state,
        &authed,
        id.into_inner(),
        StatusChange::Suspend,
        "suspend",
    )
    .await
}
