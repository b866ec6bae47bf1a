//! The OpenAPI documents of the services, and all of them in one.

use utoipa::openapi::{Info, OpenApi};

use crate::services::SERVICES;

/// Returns each service's name and document: public operations only.
pub fn openapi_documents() -> impl Iterator<Item = (&'static str, OpenApi)> {
    SERVICES
        .iter()
        .map(|known| (known.service.as_str(), (known.openapi)()))
}

/// Returns the documents as one: what a client sees through the gateway.
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
