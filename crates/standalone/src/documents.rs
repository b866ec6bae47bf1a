//! The OpenAPI documents of the five services, and all of them in one.

use auth_service::AuthService;
use role_service::RoleService;
use session_service::SessionService;
use ud_http::ServiceBinary;
use user_audit_service::AuditService;
use user_profile_service::ProfileService;
use utoipa::openapi::{Info, OpenApi};

/// Each service's name and document: public operations only.
#[must_use]
pub fn openapi_documents() -> [(&'static str, OpenApi); 5] {
    [
        ("auth", AuthService::openapi()),
        ("role", RoleService::openapi()),
        ("session", SessionService::openapi()),
        ("audit", AuditService::openapi()),
        ("profile", ProfileService::openapi()),
    ]
}

/// The five documents as one: what a client sees through the gateway.
#[must_use]
pub fn joined_openapi() -> OpenApi {
    let mut joined = OpenApi::default();
    for (_, document) in openapi_documents() {
        joined.merge(document);
    }
    let mut info = Info::new("User Domain", env!("CARGO_PKG_VERSION"));
    info.description = Some("Identity, login, roles, sessions, audit and profiles.".to_owned());
    joined.info = info;
    joined
}
