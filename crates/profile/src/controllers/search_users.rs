//! `POST /api/v1/users/search`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Json, Problem, Refused, permissions::UsersRead};
use ud_service::OwnOr;

use super::list_users::visible;
use crate::{
    state::ProfileState,
    views::{SearchUsersRequest, UserListResponse},
};

/// Search users.
///
/// Changes nothing; a POST so that personal data stays out of URLs and logs. Without `users:read`: the caller
/// alone, whatever the body says.
#[utoipa::path(
    post,
    path = "/api/v1/users/search",
    tag = "users",
    request_body = SearchUsersRequest,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "A page of users", body = UserListResponse),
        Refused<400>, Refused<401>, Refused<408>, Refused<413>, Refused<415>, Refused<422>, Refused<503>,
    )
)]
pub async fn search_users(
    state: web::Data<ProfileState>,
    authed: Authed<OwnOr<UsersRead>>,
    Json(body): Json<SearchUsersRequest>,
) -> Result<HttpResponse, Problem> {
    let (filter, page) = body.page()?;
    let users = visible(&state, &authed, filter, page, "POST /api/v1/users/search").await?;
    Ok(HttpResponse::Ok().json(UserListResponse::from(users)))
}
