//! `POST /api/v1/auth/logout`

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev, web};
use ud_http::{Authed, Limited, Problem, Refused, RequestProvenance, TooMany};
use ud_service::Own;

use super::{optional_body::OptionalBody, presented_token::decode};
use crate::{
    flows::log_out, limits, models::token::refresh_token::RefreshToken, state::AuthState,
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
        Refused<400>, Refused<401>, Refused<408>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::Logout>, Refused<503>,
    )
)]
pub async fn log_out(
    state: web::Data<AuthState>,
    authed: Result<Authed<Limited<limits::Logout, Own>>, Problem>,
    origin: RequestProvenance,
    order: Order,
) -> Result<HttpResponse, Problem> {
    let revocation = match order.token {
        Some(token) => {
            let origin = origin.by(token.user_id);
            log_out::log_out(&state, token.user_id, token.session_id, &origin).await?
        }
        None => {
            let authed = authed?;
            let (user, origin) = (authed.user_id(), &authed.origin());
            if order.all {
                authed.require_fresh()?;
                log_out::log_out_everywhere(&state, user, origin).await?
            } else {
                log_out::log_out(&state, user, authed.caller.session_id(), origin).await?
            }
        }
    };
    let mut response = HttpResponse::NoContent();
    state.revocations.tell("logout", revocation, &mut response);
    Ok(response.finish())
}

/// A [`LogoutRequest`] whose refresh token, if it has one, is good and was counted.
pub struct Order {
    all: bool,
    token: Option<RefreshToken>,
}

impl FromRequest for Order {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let body = OptionalBody::<LogoutRequest>::from_request(req, payload);
        let req = req.clone();
        Box::pin(async move {
            let OptionalBody(body) = body.await?;
            let token = match body.refresh_token {
                Some(text) => Some(decode::<limits::Logout, limits::Logout>(&req, &text).await?),
                None => None,
            };
            Ok(Self {
                all: body.all,
                token,
            })
        })
    }
}
