//! OpenAPI documents and the page that shows them.

use actix_web::{HttpResponse, http::header, web};
use ud_kernel::Service;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

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

/// Returns the documents of all services as clients reach them through the gateway: the name of each one's
/// collection, and its path.
fn documents() -> impl Iterator<Item = (&'static str, &'static str)> {
    Service::ALL.into_iter().filter_map(|service| {
        let path = service.declaration().openapi?;
        let name = path.strip_suffix("/openapi.json")?.rsplit('/').next()?;
        Some((name, path))
    })
}

/// Serves the documentation page at `/docs`.
pub(crate) fn page(cfg: &mut web::ServiceConfig) {
    cfg.service(web::redirect("/docs", "/docs/"));
    let urls: Vec<_> = documents().map(|(name, url)| Url::new(name, url)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_document_of_each_service_with_a_public_listener() {
        let with_one = Service::ALL.map(Service::declaration);
        let with_one = with_one.iter().filter(|one| one.public_port.is_some());
        assert_eq!(documents().count(), with_one.count());
        let users = ("users", "/api/v1/users/openapi.json");
        assert!(documents().any(|one| one == users));
    }
}
