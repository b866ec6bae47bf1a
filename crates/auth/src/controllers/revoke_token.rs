//! `POST /api/v1/auth/revoke`

use actix_web::{HttpResponse, web};
use ud_http::{Form, Limited, Problem, Refused, RequestProvenance, TooMany};
use ud_kernel::Revocation;
use ud_service::{Sensitivity, TokenGuard};

use crate::{
    flows::log_out::log_out, limits, models::token::refresh_token::RefreshToken, state::AuthState,
    views::TokenForm,
};

/// Revokes a token.
#[utoipa::path(
    post,
    path = "/api/v1/auth/revoke",
    tag = "auth",
    description = "Ends the session that an access or refresh token belongs to (RFC 7009): both tokens are refused from then on. Needs the token alone. What is not a good token of this issuer, an expired one too, is answered the same and has no effect. `Revocation: pending` in the answer: it takes effect a little later.",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Ended, or of no effect", headers(("Revocation" = Option<String>, description = "`pending` if it takes effect later"))),
        Refused<400>, Refused<408>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::Revoke>, Refused<503>,
    )
)]
pub async fn revoke_token(
    state: web::Data<AuthState>,
    guard: web::Data<TokenGuard>,
    origin: RequestProvenance,
    body: Limited<limits::Revoke, Form<TokenForm>>,
) -> Result<HttpResponse, Problem> {
    let token = &body.inner.0.token;
    let session = match RefreshToken::decode(&state.refresh_ring, token) {
        Ok(refresh) => Some((refresh.user_id, refresh.session_id)),
        Err(_) => match guard.authenticate(token, Sensitivity::High).await {
            Ok(caller) => Some((caller.user_id(), caller.session_id())),
            Err(failure) if failure.is_temporary() => return Err(failure.into()),
            Err(_) => None,
        },
    };
    let revocation = match session {
        Some((user, session)) => log_out(&state, user, session, &origin.by(user)).await?,
        None => Revocation::Confirmed,
    };
    let mut response = HttpResponse::Ok();
    state.revocations.tell("revoke", revocation, &mut response);
    Ok(response.finish())
}
