//! `POST /api/v1/auth/password/change`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, ClientAddress, Json, Limited, Problem, Refused, TooMany};
use ud_service::Own;

use crate::{
    flows::{
        change_password::{self, PasswordChange, PasswordChanged},
        refresh,
    },
    limits,
    state::AuthState,
    views::{ChangePasswordRequest, TokenResponse},
};

/// Changes one's own password.
#[utoipa::path(
    post,
    path = "/api/v1/auth/password/change",
    tag = "auth",
    description = "Changes the caller's password, closes every other session of theirs and renews this one: its old refresh token is used up, as by a refresh. A wrong current password is 401 `auth.invalid-credentials` and counts as a failed login; a refresh token of another session is 401 `auth.refresh-token-invalid`; why the policy refuses a new password stands in `errors` of the 422. 204: the password is changed, but this session could not be renewed, and keeps its tokens. `Revocation: pending` in it: the session service could not be reached, and will be told to close the others.",
    security(("bearer" = [])),
    request_body = ChangePasswordRequest,
    responses(
        (status = 200, description = "Changed, with new tokens", body = TokenResponse),
        (status = 204, description = "Changed; the tokens stay as they were", headers(("Revocation" = String, description = "`pending` if the other sessions end later"))),
        Refused<400>, Refused<401>, Refused<403>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::ChangePassword>, Refused<503>,
    )
)]
pub async fn change_password(
    state: web::Data<AuthState>,
    authed: Authed<Limited<limits::ChangePassword, Own>>,
    address: ClientAddress,
    body: Json<ChangePasswordRequest>,
) -> Result<HttpResponse, Problem> {
    let user_id = authed.user_id();
    let session_id = authed.caller.session_id();
    let change = PasswordChange {
        user_id,
        refresh_token: refresh::decode_own(&state, &body.0.refresh_token, user_id, session_id)?,
        current: body.0.current_password.into(),
        new: body.0.new_password.into(),
        source: address.source(),
        origin: authed.origin(),
    };
    Ok(
        match change_password::change_password(&state, change).await? {
            PasswordChanged::Renewed(tokens) => {
                HttpResponse::Ok().json(TokenResponse::from(tokens))
            }
            PasswordChanged::NotRenewed(revocation) => {
                let mut response = HttpResponse::NoContent();
                state
                    .revocations
                    .tell("password_change", revocation, &mut response);
                response.finish()
            }
        },
    )
}
