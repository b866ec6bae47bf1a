//! `POST /api/v1/auth/login`

use crate::limits;
use actix_web::web;
use ud_http::{ClientAddress, Problem, Refused, RequestProvenance, TooMany};

use super::presented_token::PresentedLogin;
use crate::{
    flows::{
        check_password::{Account, PasswordAttempt},
        log_in,
    },
    models::unlock::code::UnlockCode,
    state::AuthState,
    views::{LoginRequest, LoginResponse},
};

/// Logs in.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    tag = "auth",
    description = "Logs in with a password and opens a session. An unknown identifier and a wrong password are answered alike, 401 `auth.invalid-credentials`; 403 `auth.account-suspended` comes only after the right password, and so does 409 `auth.token-too-long`: the user's roles and permissions do not fit into an access token, and no session was opened. Send the `device_token` of the last login from this device along: other people's wrong passwords then do not keep its owner waiting. A `device_token` or `unlock_code` that is not good is ignored.",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "Logged in", body = LoginResponse),
        Refused<400>, Refused<401>, Refused<403>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::Login, limits::LoginDevice>, Refused<503>,
    )
)]
pub async fn log_in(
    state: web::Data<AuthState>,
    address: ClientAddress,
    origin: RequestProvenance,
    presented: PresentedLogin,
) -> Result<web::Json<LoginResponse>, Problem> {
    let (source, origin) = (address.source(), origin.0);
    let PresentedLogin { body, device_token } = presented;
    let LoginRequest {
        identifier,
        password,
        unlock_code,
        ..
    } = body;
    let attempt = PasswordAttempt {
        account: Account::Named(identifier),
        password: password.into(),
        device_token,
        unlock_code: unlock_code.as_deref().and_then(UnlockCode::parse),
        source,
        origin,
    };
    let logged_in = log_in::log_in(&state, attempt).await?;
    Ok(web::Json(logged_in.into()))
}
