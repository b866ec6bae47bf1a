//! `POST /api/v1/auth/refresh`

use crate::limits;
use actix_web::web;
use ud_http::{Problem, Refused, RequestProvenance, TooMany};

use super::presented_token::PresentedToken;
use crate::{
    flows::refresh,
    state::AuthState,
    views::{RefreshRequest, TokenResponse},
};

/// Exchanges a refresh token.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    tag = "auth",
    description = "Exchanges a refresh token for new tokens with the user's present roles. Each refresh token is good once; repeated within ten seconds it gives the newest one again. Later than that the last one before the newest still does while the newest was never used, for a user without permissions to change the platform and from the same kind of user agent: an answer may have been lost. Whatever else is repeated later closes the session. After a 503, or a 409 `auth.token-too-long` and fewer roles, the same token works again.",
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "New tokens", body = TokenResponse),
        Refused<400>, Refused<401>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::Refresh, limits::RefreshSession>, Refused<503>,
    )
)]
pub async fn refresh_tokens(
    state: web::Data<AuthState>,
    origin: RequestProvenance,
    token: PresentedToken,
) -> Result<web::Json<TokenResponse>, Problem> {
    let tokens = refresh::refresh(&state, &token.0, origin.0).await?;
    Ok(web::Json(tokens.into()))
}
