//! The OpenAPI document of this service: public operations only.

use ud_http::{Bearer, ProblemBody};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document, RefOr, Required,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::controllers;

#[derive(OpenApi)]
#[openapi(
    info(title = "Auth", description = "Logging in, and the tokens that come of it.", version = "1"),
    paths(
        controllers::log_in::log_in,
        controllers::refresh_tokens::refresh_tokens,
        controllers::reauthenticate::reauthenticate,
        controllers::log_out::log_out,
        controllers::validate_token::validate_token,
        controllers::introspect_token::introspect_token,
        controllers::revoke_token::revoke_token,
        controllers::change_password::change_password,
        controllers::read_jwks::read_jwks,
        controllers::list_keys::list_keys,
        controllers::rotate_keys::rotate_keys,
        controllers::revoke_key::revoke_key,
    ),
    components(schemas(ProblemBody)),
    tags((name = "auth", description = "Logging in, and the tokens that come of it")),
    modifiers(&Bearer, &Basic, &LogoutWithoutBody)
)]
struct AuthApi;

/// Returns the public operations of this service.
#[must_use]
pub fn document() -> Document {
    AuthApi::openapi()
}

/// The scheme of configured clients.
struct Basic;

impl Modify for Basic {
    fn modify(&self, document: &mut Document) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("basic", scheme);
    }
}

/// The body of a logout may be left out, which the attribute macro can only say by allowing `null`.
struct LogoutWithoutBody;

impl Modify for LogoutWithoutBody {
    fn modify(&self, document: &mut Document) {
        let logout = document.paths.paths.get_mut("/api/v1/auth/logout");
        if let Some(RefOr::T(body)) = logout
            .and_then(|item| item.post.as_mut())
            .and_then(|operation| operation.request_body.as_mut())
        {
            body.required = Some(Required::False);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_public_operation_is_described() {
        let document = document();
        let paths: Vec<&str> = document.paths.paths.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                "/.well-known/jwks.json",
                "/api/v1/auth/introspect",
                "/api/v1/auth/keys",
                "/api/v1/auth/keys/rotate",
                "/api/v1/auth/keys/{kid}/revoke",
                "/api/v1/auth/login",
                "/api/v1/auth/logout",
                "/api/v1/auth/password/change",
                "/api/v1/auth/reauthenticate",
                "/api/v1/auth/refresh",
                "/api/v1/auth/revoke",
                "/api/v1/auth/validate",
            ]
        );
        let json: serde_json::Value = serde_json::from_str(&document.to_json().unwrap()).unwrap();
        let body = |path: &str| json["paths"][path]["post"]["requestBody"]["required"].clone();
        assert_eq!(body("/api/v1/auth/login"), true);
        assert_eq!(body("/api/v1/auth/logout"), false);
        let json = json.to_string();
        assert!(
            !json.contains("/internal"),
            "internal routes are not public"
        );
    }
}
