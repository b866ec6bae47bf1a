//! The OpenAPI document of this service.

use ud_http::{PROBLEM_JSON, ProblemBody};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, OpenApi as Document, Ref, RefOr, ResponseBuilder,
        path::{Operation, ParameterIn},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::controllers;

#[derive(OpenApi)]
#[openapi(
    info(title = "Roles", description = "Roles, permissions and who has them.", version = "1"),
    paths(
        controllers::create_role::create_role,
        controllers::list_roles::list_roles,
        controllers::read_role::read_role,
        controllers::update_role::update_role,
        controllers::delete_role::delete_role,
        controllers::check_permission::check_permission,
        controllers::create_assignment::create_assignment,
        controllers::list_assignments::list_assignments,
        controllers::read_assignment::read_assignment,
        controllers::delete_assignment::delete_assignment,
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "roles", description = "Named sets of permissions"),
        (name = "role-assignments", description = "Who has which role"),
    ),
    modifiers(&Bearer, &CommonProblems)
)]
struct RoleApi;

/// The public operations of this service.
#[must_use]
pub fn document() -> Document {
    RoleApi::openapi()
}

/// `Authorization: Bearer`.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "An access token. The words beside it are the permissions it needs.",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Adds the problems that every operation of a kind can answer; each operation lists its own.
struct CommonProblems;

impl Modify for CommonProblems {
    fn modify(&self, document: &mut Document) {
        for item in document.paths.paths.values_mut() {
            let operations = [
                &mut item.get,
                &mut item.post,
                &mut item.put,
                &mut item.patch,
                &mut item.delete,
            ];
            for operation in operations.into_iter().flatten() {
                add_common(operation);
            }
        }
    }
}

fn add_common(operation: &mut Operation) {
    let mut add = |status: &str, description: &str| {
        let response = ResponseBuilder::new()
            .description(description)
            .content(
                PROBLEM_JSON,
                ContentBuilder::new()
                    .schema(Some(Ref::from_schema_name("Problem")))
                    .build(),
            )
            .build();
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| response.into());
    };
    add("500", "A defect on our side");
    add(
        "503",
        "The store or another service cannot be reached; repeat after `Retry-After` seconds",
    );
    if operation.security.is_some() {
        add("401", "No good access token");
        add("403", "The permission is missing");
    }
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let in_path = parameters
        .iter()
        .any(|parameter| matches!(parameter, RefOr::T(p) if p.parameter_in == ParameterIn::Path));
    if in_path {
        add("404", "Not found, or not the caller's to see");
    }
    if operation.request_body.is_some() {
        add("408", "The body did not arrive in time");
        add("413", "The body is over 64 KiB");
        add("415", "The body is of another content type");
        add("422", "The body is of another form, or breaks a rule");
    }
    if operation.request_body.is_some() || !parameters.is_empty() {
        add("400", "The request cannot be read");
    }
}
