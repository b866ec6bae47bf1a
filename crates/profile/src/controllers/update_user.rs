//! `PATCH /api/v1/users/{id}`

use actix_web::{HttpResponse, web};
use ud_http::{
    Authed, IfMatch, Limited, MergePatch, Problem, Refused, TooMany, permissions::UsersWrite,
};
use ud_kernel::UserId;
use ud_service::OwnOr;

use super::{refusal, refused, with_user};
use crate::{
    limits,
    state::ProfileState,
    views::{UpdateUserRequest, UserResponse},
};

/// Change a user's own data.
///
/// Oneself, or anyone with `users:write` who holds everything of the platform's permissions that the user holds.
/// Other members than these four are read-only.
#[utoipa::path(
    patch,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(
        ("id" = String, Path, format = Uuid, description = "The user"),
        ("If-Match" = Option<String>, Header, description = "Change only this version")
    ),
    request_body(content(
        (UpdateUserRequest = "application/merge-patch+json"),
        (UpdateUserRequest = "application/json")
    )),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The user as changed", body = UserResponse, headers(
            ("ETag" = String, description = "The user's version")
        )),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<408>, Refused<412>, Refused<413>,
        Refused<415>, Refused<422>, TooMany<limits::UpdateUser>, Refused<503>,
    )
)]
pub async fn update_user(
    state: web::Data<ProfileState>,
    authed: Authed<Limited<limits::UpdateUser, OwnOr<UsersWrite>>>,
    id: web::Path<UserId>,
    if_match: IfMatch,
    MergePatch(body): MergePatch<UpdateUserRequest>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    authed.permit(id, refusal(&authed))?;
    let patch = body.patch().map_err(Problem::validation)?;
    let expected = move |version| if_match.permits(version).is_ok();
    let user = state
        .accounts
        .update(authed.user_id(), &authed.origin(), id, patch, expected)
        .await
        .map_err(|error| refused(&state, &authed, id, error))?;
    Ok(with_user(HttpResponse::Ok(), user))
}
