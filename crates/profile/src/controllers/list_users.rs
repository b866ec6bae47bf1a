//! `GET /api/v1/users`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Page, PageRequest, Problem, Refused, permissions::UsersRead};
use ud_kernel::UserId;
use ud_service::{OwnOr, RowScope};

use super::note_read;
use crate::{
    models::{
        ProfileError,
        user::User,
        user_store::{self, UserFilter},
    },
    state::ProfileState,
    views::{ListUsersQuery, UserListResponse},
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
    let (filter, page) = query.page()?;
    let users = visible(&state, &authed, filter, page, "GET /api/v1/users").await?;
    Ok(HttpResponse::Ok().json(UserListResponse::from(users)))
}

/// Returns the page that `authed` may see.
pub(super) async fn visible(
    state: &ProfileState,
    authed: &Authed<OwnOr<UsersRead>>,
    filter: UserFilter,
    page: PageRequest<UserId>,
    operation: &str,
) -> Result<Page<User>, ProfileError> {
    match authed.scope() {
        RowScope::All => {
            note_read(state, &authed.origin(), "operation", operation.to_owned());
            let (after, most) = (page.after, page.to_read());
            let users = state
                .db
                .read(move |conn| user_store::list(conn, &filter, after, most))
                .await?;
            Ok(page.page(users, |user| user.id))
        }
        RowScope::Own(id) => {
            let items = match state.accounts.find(id).await {
                Ok(user) => vec![user],
                Err(ProfileError::NotFound) => Vec::new(),
                Err(error) => return Err(error),
            };
            Ok(Page {
                items,
                next_cursor: None,
            })
        }
    }
}
