//! What the OpenAPI documents of all services share.

use std::{collections::BTreeMap, marker::PhantomData};

use ud_service::limits::LimitedOperation;
use utoipa::{
    IntoResponses, Modify,
    openapi::{
        ContentBuilder, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder,
        extensions::{Extensions, ExtensionsBuilder},
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::PROBLEM_JSON;

/// An answer with a problem document and HTTP status `STATUS`: `responses(.., Refused<404>)`. The document
/// needs the schema of [`crate::ProblemBody`].
#[derive(Debug)]
pub enum Refused<const STATUS: u16> {}

impl<const STATUS: u16> IntoResponses for Refused<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .build();
        let response = ResponseBuilder::new()
            .description(describe(STATUS))
            .content(PROBLEM_JSON, content)
            .build();
        BTreeMap::from([(STATUS.to_string(), response.into())])
    }
}

/// The 429 of an operation that counts as `O`, or also as `P`: `responses(.., TooMany<limits::Login>)`. The document
/// names them in `x-limit`.
#[derive(Debug)]
pub struct TooMany<O, P = O>(PhantomData<fn() -> (O, P)>);

impl<O: LimitedOperation, P: LimitedOperation> IntoResponses for TooMany<O, P> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut names = vec![O::OPERATION.name, P::OPERATION.name];
        names.dedup();
        let extensions = ExtensionsBuilder::new().add("x-limit", names).build();
        let mut responses = Refused::<429>::responses();
        if let Some(RefOr::T(response)) = responses.get_mut("429") {
            response.extensions = Some(extensions);
        }
        responses
    }
}

const fn describe(status: u16) -> &'static str {
    match status {
        400 => "A parameter, a header or the body cannot be read",
        401 => "No access token, or one that is not good any more",
        403 => "Not allowed to the caller",
        404 => "Nothing with this id that the caller may know of",
        408 => "The body did not arrive in time",
        409 => "Not possible as things are",
        412 => "Changed since the version named by If-Match",
        413 => "The body is over 64 KiB",
        415 => "The body has another content type",
        422 => "A member is missing, unknown, read-only or not acceptable",
        429 => "Too many requests; see Retry-After",
        503 => "A store or service is away; see Retry-After",
        _ => "Problem",
    }
}

/// Adds the security scheme `bearer`: `#[openapi(modifiers(&ud_http::Bearer))]`, and says of the operations marked
/// `x-max-login-age` what that means.
pub struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("bearer", scheme);
        let items = document.paths.paths.values_mut();
        let operations = items.flat_map(|item| {
            let PathItem {
                get,
                put,
                post,
                delete,
                patch,
                ..
            } = item;
            [get, put, post, delete, patch].into_iter().flatten()
        });
        for operation in operations {
            let marked = |extensions: &Extensions| extensions.contains_key("x-max-login-age");
            if operation.extensions.as_ref().is_some_and(marked) {
                let description = operation.description.get_or_insert_default();
                description.push_str(NEEDS_RECENT_LOGIN);
            }
        }
    }
}

const NEEDS_RECENT_LOGIN: &str =
    " Needs a login of the last five minutes: 401 `auth.reauthentication-required`.";
