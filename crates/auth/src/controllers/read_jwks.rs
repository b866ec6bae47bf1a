//! `GET /.well-known/jwks.json`

use actix_web::{HttpResponse, http::header, web};
use ud_http::{Problem, Refused};

use crate::{state::AuthState, views::JwkSetResponse};

/// Where the verification keys are, on both listeners.
pub const JWKS_PATH: &str = "/.well-known/jwks.json";

/// The keys that verify access tokens.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "auth",
    description = "The public keys that verify access tokens (RFC 7517). Empty where a shared secret signs.",
    responses((status = 200, description = "The set", body = JwkSetResponse), Refused<503>)
)]
pub async fn read_jwks(state: web::Data<AuthState>) -> Result<HttpResponse, Problem> {
    let keys = state.keys.get()?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .json(&keys.published))
}
