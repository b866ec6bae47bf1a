//! `POST /api/v1/auth/reauthenticate`

use actix_web::web;
use ud_http::{Authed, ClientAddress, Json, Limited, Problem, Refused, TooMany};
use ud_service::Own;

use crate::{
    flows::{
        check_password::{Account, PasswordAttempt},
        refresh,
    },
    limits,
    state::AuthState,
    views::{ReauthenticateRequest, TokenResponse},
};

/// Proves again who one is.
#[utoipa::path(
    post,
    path = "/api/v1/auth/reauthenticate",
    tag = "auth",
    description = "Takes the caller's password again and exchanges the refresh token of the access token's session for new tokens, as `refresh` does, with a new `auth_time` (RFC 9470). For operations that answer 401 `auth.reauthentication-required`: they want a login of the last five minutes. A wrong password is 401 `auth.invalid-credentials`, counts as a failed login and leaves the refresh token good; a refresh token of another session is 401 `auth.refresh-token-invalid`.",
    security(("bearer" = [])),
    request_body = ReauthenticateRequest,
    responses(
        (status = 200, description = "New tokens", body = TokenResponse),
        Refused<400>, Refused<401>, Refused<403>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::Reauthenticate>, Refused<503>,
    )
)]
pub async fn reauthenticate(
    state: web::Data<AuthState>,
    authed: Authed<Limited<limits::Reauthenticate, Own>>,
    address: ClientAddress,
    body: Json<ReauthenticateRequest>,
) -> Result<web::Json<TokenResponse>, Problem> {
    let user_id = authed.user_id();
    let session_id = authed.caller.session_id();
    let token = refresh::decode_own(&state, &body.0.refresh_token, user_id, session_id)?;
    let attempt = PasswordAttempt {
        account: Account::Own(user_id, session_id),
        password: body.0.password.into(),
        device_token: None,
        unlock_code: None,
        source: address.source(),
        origin: authed.origin(),
    };
    let tokens = refresh::reauthenticate(&state, &token, &attempt).await?;
    Ok(web::Json(tokens.into()))
}
