//! The OpenAPI document: public operations only.

use ud_http::{Bearer, ProblemBody};
use utoipa::OpenApi;

use crate::controllers::{create_audit, list_audits, read_audit};

/// The document's parts.
#[derive(OpenApi)]
#[openapi(
    info(title = "Audit", description = "The append-only log of what was done to and by users."),
    paths(create_audit::create_audit, list_audits::list_audits, read_audit::read_audit),
    components(schemas(ProblemBody, ud_kernel::FieldError)),
    modifiers(&Bearer)
)]
pub struct AuditApi;
