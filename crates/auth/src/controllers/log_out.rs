//! `POST /api/v1/auth/logout`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Own, Problem, Refused, RequestOrigin};
use ud_kernel::Code;

use super::{optional_body::OptionalBody, revocation::no_content};
use crate::{
    models::{logout_flow, refresh_token::RefreshToken},
    state::AuthState,
    views::LogoutRequest,
};

/// Logs out.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    tag = "auth",
    description = "Ends the session of the access token, or with `all` every session of its user, by a login of the last five minutes. A refresh token in the body takes the place of an access token that has expired. `Revocation: pending` in the answer: the session service could not be reached, and will be told.",
    security(("bearer" = [])),
    request_body = LogoutRequest,
    responses(
        (status = 204, description = "Ended", headers(("Revocation" = String, description = "`pending` if it takes effect later"))),
        Refused<400>, Refused<401>, Refused<408>, Refused<413>, Refused<415>, Refused<422>, Refused<503>,
    )
)]
pub async fn log_out(
    state: web::Data<AuthState>,
    authed: Result<Authed<Own>, Problem>,
    origin: RequestOrigin,
    body: OptionalBody<LogoutRequest>,
) -> Result<HttpResponse, Problem> {
    let OptionalBody(body) = body;
    let closed = match body.refresh_token {
        Some(token) => {
            let token = RefreshToken::decode(&state.refresh_ring, &token)
                .map_err(|_| Problem::new(Code::AuthRefreshTokenInvalid))?;
            let origin = origin.by(token.user_id);
            logout_flow::log_out(&state, token.user_id, token.session_id, &origin).await?
        }
        None => {
            let authed = authed?;
            let (user, origin) = (authed.user_id(), &authed.origin());
            if body.all {
                authed.require_fresh()?;
                logout_flow::log_out_everywhere(&state, user, origin).await?
            } else {
                logout_flow::log_out(&state, user, authed.caller.session_id(), origin).await?
            }
        }
    };
    Ok(no_content(&state, "logout", closed))
}
