//! `GET /api/v1/users`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, OwnOr, Problem, Refused, Scope, permissions::UsersRead};

use super::note_read;
use crate::{
    models::{ProfileError, user_store},
    state::ProfileState,
    views::{ListUsersQuery, PageRequest, UserListResponse},
};

/// List users.
///
/// In the order of their registration. Without `users:read`: the caller alone, whatever the parameters say.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    tag = "users",
    params(ListUsersQuery),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "A page of users", body = UserListResponse),
        Refused<400>, Refused<401>, Refused<503>,
    )
)]
pub async fn list_users(
    state: web::Data<ProfileState>,
    authed: Authed<OwnOr<UsersRead>>,
    query: web::Query<ListUsersQuery>,
) -> Result<HttpResponse, Problem> {
    let page = query.page()?;
    Ok(HttpResponse::Ok().json(answer(&state, &authed, page, "GET /api/v1/users").await?))
}

/// The page that `authed` may see.
pub(super) async fn answer(
    state: &ProfileState,
    authed: &Authed<OwnOr<UsersRead>>,
    page: PageRequest,
    operation: &str,
) -> Result<UserListResponse, ProfileError> {
    match authed.scope() {
        Scope::All => {
            note_read(state, &authed.origin(), "operation", operation.to_owned());
            let PageRequest {
                filter,
                after,
                limit,
            } = page;
            let users = state
                .db
                .read(move |conn| user_store::list(conn, &filter, after, limit + 1))
                .await?;
            Ok(UserListResponse::new(users, limit))
        }
        Scope::Own(id) => {
            let own = match state.accounts.find(id).await {
                Ok(user) => vec![user],
                Err(ProfileError::NotFound) => Vec::new(),
                Err(error) => return Err(error),
            };
            Ok(UserListResponse::new(own, 1))
        }
    }
}
