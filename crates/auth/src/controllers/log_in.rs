//! `POST /api/v1/auth/login`

use actix_web::web;
use ud_http::{ClientAddress, Json, Limited, Problem, Refused, RequestOrigin, TooMany, limits};

use crate::{
    models::{
        login_flow,
        password_check::{Account, PasswordAttempt},
    },
    state::AuthState,
    views::{LoginRequest, TokenResponse},
};

/// Logs in.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    tag = "auth",
    description = "Logs in with a password and opens a session. An unknown identifier and a wrong password are answered alike, 401 `auth.invalid-credentials`; 403 `auth.account-suspended` comes only after the right password.",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "Logged in", body = TokenResponse),
        Refused<400>, Refused<401>, Refused<403>, Refused<408>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::Login>, Refused<503>,
    )
)]
pub async fn log_in(
    state: web::Data<AuthState>,
    address: ClientAddress,
    origin: RequestOrigin,
    body: Limited<limits::Login, Json<LoginRequest>>,
) -> Result<web::Json<TokenResponse>, Problem> {
    let (address, origin) = (address.bucket(), origin.0);
    // Without keys nothing is said of any password.
    state.keys.get()?;
    let LoginRequest {
        identifier,
        password,
    } = body.inner.0;
    let attempt = PasswordAttempt {
        account: Account::Named(identifier),
        password: password.into(),
        address,
        origin,
    };
    let tokens = login_flow::log_in(&state, attempt).await?;
    Ok(web::Json(tokens.into()))
}
