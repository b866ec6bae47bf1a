//! `POST /api/v1/auth/password/change`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, ClientAddress, Json, Own, Problem, Refused};

use super::{revocation::no_content, within};
use crate::{
    models::password_flow::{self, PasswordChange},
    state::AuthState,
    views::ChangePasswordRequest,
};

/// Changes one's own password.
#[utoipa::path(
    post,
    path = "/api/v1/auth/password/change",
    tag = "auth",
    description = "Changes the caller's password and closes every other session of theirs. A wrong current password is 401 `auth.invalid-credentials` and counts as a failed login; why the policy refuses a new one stands in `errors` of the 422. `Revocation: pending` in the answer: the session service could not be reached, and will be told.",
    security(("bearer" = [])),
    request_body = ChangePasswordRequest,
    responses(
        (status = 204, description = "Changed", headers(("Revocation" = String, description = "`pending` if the other sessions end later"))),
        Refused<400>, Refused<401>, Refused<403>, Refused<408>, Refused<413>, Refused<415>, Refused<422>, Refused<429>, Refused<503>,
    )
)]
pub async fn change_password(
    state: web::Data<AuthState>,
    authed: Authed<Own>,
    address: ClientAddress,
    body: Json<ChangePasswordRequest>,
) -> Result<HttpResponse, Problem> {
    let user_id = authed.user_id();
    within(
        &state,
        &state.limiters.password_change,
        &user_id.to_string(),
        "POST /api/v1/auth/password/change",
        &authed.origin,
    )
    .await?;
    let change = PasswordChange {
        user_id,
        session_id: authed.caller.session_id(),
        current: body.0.current_password.into(),
        new: body.0.new_password.into(),
        address: address.bucket(),
        origin: authed.origin,
    };
    let closed = password_flow::change_password(&state, change).await?;
    Ok(no_content(&state, "password_change", closed))
}
