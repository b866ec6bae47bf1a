//! The OpenAPI documents of the services as lists of operations.

use std::collections::{BTreeMap, BTreeSet};

use end_to_end::Platform;
use serde_json::Value;
use ud_kernel::Service;

/// Returns where the documents are.
pub fn documents() -> impl Iterator<Item = &'static str> {
    let declared = Service::ALL.into_iter().map(Service::declaration);
    declared.filter_map(|service| service.openapi)
}

/// An id nobody has.
pub const NOBODY: &str = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";

/// One documented operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// `operationId`.
    pub id: String,
    /// Upper-case.
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    /// Whether a token is needed.
    pub is_guarded: bool,
    /// The permissions it needs, beside being somebody.
    pub permissions: Vec<String>,
    /// Seconds a login may be old for it.
    pub max_login_age: Option<u64>,
    /// Whether it declares a limit.
    pub is_limited: bool,
    /// The limits it declares.
    pub limits: Vec<String>,
    /// Whether it takes a body of JSON.
    pub has_body: bool,
    /// Whether it takes a form, as operations of OAuth 2.0 do.
    pub has_form: bool,
    /// Status codes of its answers.
    pub statuses: BTreeSet<u16>,
}

impl Operation {
    /// The path with an id nobody has for each parameter.
    pub fn concrete_path(&self) -> String {
        fill(&self.path, NOBODY)
    }
}

/// `path` with `id` for each parameter.
pub fn fill(path: &str, id: &str) -> String {
    let part = |part: &str| {
        if part.starts_with('{') {
            id.to_owned()
        } else {
            part.to_owned()
        }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Every operation of every document.
pub async fn operations(platform: &Platform) -> Vec<Operation> {
    let mut operations = Vec::new();
    for address in documents() {
        let document = platform.client.get(address).await.must(200).json();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                if !["get", "put", "post", "delete", "patch"].contains(&method.as_str()) {
                    continue;
                }
                operations.push(read(path, method, operation));
            }
        }
    }
    assert!(
        operations.len() >= 25,
        "only {} operations",
        operations.len()
    );
    operations
}

fn read(path: &str, method: &str, operation: &Value) -> Operation {
    let security = operation.get("security").and_then(Value::as_array);
    let alternatives = security.into_iter().flatten().filter_map(Value::as_object);
    let names = alternatives
        .flat_map(|a| a.values())
        .filter_map(Value::as_array)
        .flatten();
    let statuses = operation["responses"]
        .as_object()
        .expect("responses")
        .keys();
    let body = &operation["requestBody"]["content"];
    let limits = &operation["responses"]["429"]["x-limit"];
    let has_form = body.get("application/x-www-form-urlencoded").is_some();
    Operation {
        id: operation["operationId"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        method: method.to_uppercase(),
        path: path.to_owned(),
        is_guarded: security.is_some_and(|s| !s.is_empty()),
        permissions: names.filter_map(Value::as_str).map(str::to_owned).collect(),
        max_login_age: operation["x-max-login-age"].as_u64(),
        is_limited: limits.is_array(),
        limits: (limits.as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        has_body: operation.get("requestBody").is_some() && !has_form,
        has_form,
        statuses: statuses.filter_map(|status| status.parse().ok()).collect(),
    }
}

/// The methods of each path.
pub fn methods(operations: &[Operation]) -> BTreeMap<String, BTreeSet<String>> {
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in operations {
        methods
            .entry(operation.path.clone())
            .or_default()
            .insert(operation.method.clone());
    }
    methods
}
