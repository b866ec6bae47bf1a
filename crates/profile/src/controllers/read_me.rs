//! `GET /api/v1/users/me`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Problem, Refused};
use ud_service::Own;

use super::{own_user, with_user};
use crate::{state::ProfileState, views::UserResponse};

/// Read the caller's own user.
#[utoipa::path(
    get,
    path = "/api/v1/users/me",
    tag = "users",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The user", body = UserResponse, headers(
            ("ETag" = String, description = "The user's version")
        )),
        Refused<401>, Refused<404>, Refused<503>,
    )
)]
pub async fn read_me(
    state: web::Data<ProfileState>,
    authed: Authed<Own>,
) -> Result<HttpResponse, Problem> {
    let user = own_user(&state, &authed).await?;
    Ok(with_user(HttpResponse::Ok(), user))
}
