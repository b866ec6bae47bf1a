//! OpenAPI documents and the page that shows them.

use actix_web::{HttpResponse, http::header, web};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

/// The documents as clients reach them through the gateway.
const DOCUMENTS: [(&str, &str); 5] = [
    ("auth", "/api/v1/auth/openapi.json"),
    ("users", "/api/v1/users/openapi.json"),
    ("roles", "/api/v1/roles/openapi.json"),
    ("sessions", "/api/v1/sessions/openapi.json"),
    ("audits", "/api/v1/audits/openapi.json"),
];

const DOCS_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                        img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A document as JSON text.
#[must_use]
pub fn openapi_json(document: &OpenApi) -> String {
    document.to_pretty_json().unwrap_or_default()
}

/// Serves `document` at `path`.
pub(crate) fn document(cfg: &mut web::ServiceConfig, path: &str, document: &OpenApi) {
    let json = web::Bytes::from(openapi_json(document));
    cfg.service(web::resource(path).route(web::get().to(move || {
        let json = json.clone();
        async move {
            HttpResponse::Ok()
                .content_type("application/json")
                .body(json)
        }
    })));
}

/// Serves the documentation page at `/docs`.
pub(crate) fn page(cfg: &mut web::ServiceConfig) {
    cfg.service(web::redirect("/docs", "/docs/"));
    let urls = DOCUMENTS.map(|(name, url)| Url::new(name, url));
    cfg.service(
        web::scope("")
            .guard(actix_web::guard::fn_guard(|ctx| {
                ctx.head().uri.path().starts_with("/docs/")
            }))
            .wrap(
                actix_web::middleware::DefaultHeaders::new()
                    .add((header::CONTENT_SECURITY_POLICY, DOCS_CSP)),
            )
            .service(SwaggerUi::new("/docs/{_:.*}").config(Config::new(urls))),
    );
}
