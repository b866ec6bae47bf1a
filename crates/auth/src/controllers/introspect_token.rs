//! `POST /api/v1/auth/introspect`

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev, http::header, web};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ud_http::{Authed, Form, Limited, Problem, Refused, TooMany, permissions::TokensIntrospect};
use ud_kernel::Code;
use ud_service::{Sensitivity, TokenGuard};

use crate::{
    limits,
    state::AuthState,
    views::{IntrospectionResponse, TokenForm},
};

/// Tells what an access token is good for.
#[utoipa::path(
    post,
    path = "/api/v1/auth/introspect",
    tag = "auth",
    description = "Tells whether an access token is accepted now, and what it says (RFC 7662). For resource servers: a bearer token with `tokens:introspect`, or a configured client by HTTP Basic. Whatever is not an active access token of this issuer and audience, refresh tokens too, is `active: false`.",
    security(("bearer" = ["tokens:introspect"]), ("basic" = [])),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Active with its claims, or not", body = IntrospectionResponse),
        Refused<400>, Refused<401>, Refused<403>, Refused<408>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::Introspect>, Refused<503>,
    )
)]
pub async fn introspect_token(
    _: Introspector,
    guard: web::Data<TokenGuard>,
    body: Limited<limits::Introspect, Form<TokenForm>>,
) -> Result<web::Json<IntrospectionResponse>, Problem> {
    introspect(&guard, &body.inner.0).await
}

/// Introspects for whoever may ask.
///
/// # Errors
/// 503 if it cannot be told.
pub(super) async fn introspect(
    guard: &TokenGuard,
    body: &TokenForm,
) -> Result<web::Json<IntrospectionResponse>, Problem> {
    // What the asker does with the answer is not known: never accepted without one.
    match guard.authenticate(&body.token, Sensitivity::High).await {
        Ok(caller) => Ok(web::Json((&caller).into())),
        Err(failure) if failure.is_temporary() => Err(failure.into()),
        Err(_) => Ok(web::Json(IntrospectionResponse::default())),
    }
}

/// Somebody who may introspect: by permission, or as a configured client (`client_secret_basic`, RFC 6749 section
/// 2.3.1; ids and secrets are of characters that its encoding leaves as they are).
pub struct Introspector;

impl FromRequest for Introspector {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let Some(encoded) = basic(req) else {
            let authed = Authed::<TokensIntrospect>::from_request(req, payload);
            return Box::pin(async move { authed.await.map(|_| Self) });
        };
        let accepted = req
            .app_data::<web::Data<AuthState>>()
            .zip(credentials(&encoded))
            .is_some_and(|(state, (id, secret))| state.introspection_clients.accepts(&id, &secret));
        let outcome = if accepted {
            Ok(Self)
        } else {
            let challenge = header::HeaderValue::from_static("Basic realm=\"introspection\"");
            Err(Problem::new(Code::AUTH_INVALID_CREDENTIALS)
                .header(header::WWW_AUTHENTICATE, challenge))
        };
        Box::pin(std::future::ready(outcome))
    }
}

/// What stands behind the scheme `Basic` of the one `Authorization` header.
fn basic(req: &HttpRequest) -> Option<String> {
    let mut values = req.headers().get_all(header::AUTHORIZATION);
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, encoded) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| encoded.trim().to_owned())
}

/// Id and secret (RFC 7617 section 2).
fn credentials(encoded: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
