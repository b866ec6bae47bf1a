//! Refresh and device tokens that a body presents: the tag is checked first (SECURITY rule 11), an HMAC and no database
//! call. A good one counts for its session or device, anything else for who asks.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev, web};
use ud_http::{Json, Problem, count, count_source};
use ud_kernel::{Code, LimitKey};
use ud_service::{TokenGuard, limits::LimitedOperation};

use crate::{
    limits::{Login, LoginDevice, Refresh, RefreshSession},
    models::{device::token::DeviceToken, token::refresh_token::RefreshToken},
    state::AuthState,
    views::{LoginRequest, RefreshRequest},
};

/// The refresh token of a [`RefreshRequest`]: it is one of this platform, and its session did not refresh too often.
pub struct PresentedToken(pub RefreshToken);

impl FromRequest for PresentedToken {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let body = Json::<RefreshRequest>::from_request(req, payload);
        let req = req.clone();
        Box::pin(async move {
            let Json(body) = body.await?;
            // Without keys nothing is counted, and nothing said of any token.
            state_of(&req)?.keys.get()?;
            let token = decode::<RefreshSession, Refresh>(&req, &body.refresh_token).await?;
            Ok(Self(token))
        })
    }
}

/// A [`LoginRequest`], and its device token if that is one of this platform. With one the request counts for the device,
/// so that nobody at the same address keeps a known device out; otherwise for who asks.
pub struct PresentedLogin {
    /// The whole body.
    pub body: LoginRequest,
    /// Its device token, if the tag is good.
    pub device_token: Option<DeviceToken>,
}

impl FromRequest for PresentedLogin {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let body = Json::<LoginRequest>::from_request(req, payload);
        let req = req.clone();
        Box::pin(async move {
            let Json(body) = body.await?;
            let state = state_of(&req)?;
            // Without keys nothing is counted, and nothing said of any password.
            state.keys.get()?;
            let text = body.device_token.as_deref();
            let device_token = text.and_then(|text| DeviceToken::decode(&state.device_ring, text));
            let guard = guard_of(&req)?;
            match &device_token {
                Some(token) => {
                    let key = LimitKey::Device(*token.device_id.as_uuid());
                    count::<LoginDevice>(guard, &req, key, None).await?;
                }
                None => count_source::<Login>(guard, &req).await?,
            }
            Ok(Self { body, device_token })
        })
    }
}

/// The refresh token in `text`. A good one is a call of `Good` by its session, any other of `Bad` by who asks.
///
/// # Errors
/// 401 `auth.refresh-token-invalid`, 429 `request.rate-limited`.
pub(super) async fn decode<Good: LimitedOperation, Bad: LimitedOperation>(
    req: &HttpRequest,
    text: &str,
) -> Result<RefreshToken, Problem> {
    let guard = guard_of(req)?;
    if let Ok(token) = RefreshToken::decode(&state_of(req)?.refresh_ring, text) {
        let key = LimitKey::Session(token.session_id);
        count::<Good>(guard, req, key, Some(token.user_id)).await?;
        Ok(token)
    } else {
        count_source::<Bad>(guard, req).await?;
        Err(Problem::new(Code::AUTH_REFRESH_TOKEN_INVALID))
    }
}

fn guard_of(req: &HttpRequest) -> Result<&TokenGuard, Problem> {
    req.app_data::<web::Data<TokenGuard>>()
        .map(|guard| &***guard)
        .ok_or_else(|| Problem::internal("no TokenGuard in the application"))
}

fn state_of(req: &HttpRequest) -> Result<&AuthState, Problem> {
    req.app_data::<web::Data<AuthState>>()
        .map(|state| &***state)
        .ok_or_else(|| Problem::internal("no AuthState in the application"))
}
