//! The OpenAPI document of this service: public operations only.

use ud_http::{Bearer, ProblemBody};
use utoipa::{OpenApi, openapi::OpenApi as Document};

use crate::controllers;

#[derive(OpenApi)]
#[openapi(
    info(title = "Audit", description = "The append-only log of what was done to and by users."),
    paths(
        controllers::create_audit::create_audit,
        controllers::list_audits::list_audits,
        controllers::read_audit::read_audit,
    ),
    components(schemas(ProblemBody, ud_kernel::FieldError)),
    modifiers(&Bearer)
)]
struct AuditApi;

/// Returns the public operations of this service.
#[must_use]
pub fn document() -> Document {
    AuditApi::openapi()
}
