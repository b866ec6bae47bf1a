//! `DELETE /api/v1/users/{id}`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Limited, Problem, Refused, TooMany, permissions::UsersDelete};
use ud_kernel::UserId;
use ud_service::{Fresh, OwnOr};

use super::{refusal, refused};
use crate::limits;
use crate::state::ProfileState;

/// Delete a user for good.
///
/// Oneself, or anyone with `users:delete` who holds everything of the platform's permissions that the user holds.
/// Administrators lose that role first. All sessions of the user are closed.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = String, Path, format = Uuid, description = "The user")),
    security(("bearer" = [])),
    extensions(("x-max-login-age" = json!(300))),
    responses(
        (status = 204, description = "Deleted", headers(
            ("Revocation" = Option<String>, description = "`pending`: sessions are closed a little later")
        )),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, TooMany<limits::DeleteUser>, Refused<503>,
    )
)]
pub async fn delete_user(
    state: web::Data<ProfileState>,
    authed: Authed<Limited<limits::DeleteUser, Fresh<OwnOr<UsersDelete>>>>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    authed.permit(id, refusal(&authed))?;
    let revocation = state
        .accounts
        .delete(authed.user_id(), &authed.origin(), id)
        .await
        .map_err(|error| refused(&state, &authed, id, error))?;
    let mut response = HttpResponse::NoContent();
    state.revocations.tell("delete", revocation, &mut response);
    Ok(response.finish())
}
