//! `GET /api/v1/users/{id}`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Problem, Refused, permissions::UsersRead};
use ud_kernel::{Code, UserId};
use ud_service::OwnOr;

use super::{note_read, own_user, with_user};
use crate::{state::ProfileState, views::UserResponse};

/// Read a user.
///
/// Oneself, or anyone with `users:read`.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = String, Path, format = Uuid, description = "The user")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The user", body = UserResponse, headers(
            ("ETag" = String, description = "The user's version")
        )),
        Refused<400>, Refused<401>, Refused<404>, Refused<503>,
    )
)]
pub async fn read_user(
    state: web::Data<ProfileState>,
    authed: Authed<OwnOr<UsersRead>>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    authed.permit(id, Code::USER_NOT_FOUND)?;
    let user = if id == authed.user_id() {
        own_user(&state, &authed).await?
    } else {
        note_read(&state, &authed.origin(), "user", id.to_string());
        state.accounts.find(id).await?
    };
    Ok(with_user(HttpResponse::Ok(), user))
}
