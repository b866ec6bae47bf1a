//! `POST /internal/v1/introspect`

use actix_web::web;
use ud_http::{Form, FromService, Problem};
use ud_service::{TokenGuard, callers};

use super::introspect_token::introspect;
use crate::views::{IntrospectionResponse, TokenForm};

/// Introspects for another service.
///
/// # Errors
/// 503 if it cannot be told.
pub async fn introspect_for_service(
    _: FromService<callers::Any>,
    guard: web::Data<TokenGuard>,
    body: Form<TokenForm>,
) -> Result<web::Json<IntrospectionResponse>, Problem> {
    introspect(&guard, &body.0).await
}
