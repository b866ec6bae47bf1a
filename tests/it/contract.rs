//! Every documented operation, called by those who may not, and every method that is not documented.

use std::collections::BTreeSet;

use end_to_end::{Kind, Platform, raw_request};
use rstest::rstest;
use serde_json::{Value, json};
use ud_kernel::Code;

use crate::openapi::{Operation, fill, methods, operations};

/// The operations that need no token, and no others do not.
const PUBLIC: [(&str, &str); 5] = [
    ("GET", "/.well-known/jwks.json"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/revoke"),
    ("POST", "/api/v1/users"),
];

/// What the platform promises: every one must be documented.
const WANTED: [(&str, &str); 38] = [
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/logout"),
    ("GET", "/api/v1/auth/validate"),
    ("POST", "/api/v1/auth/password/change"),
    ("POST", "/api/v1/auth/reauthenticate"),
    ("POST", "/api/v1/auth/introspect"),
    ("POST", "/api/v1/auth/revoke"),
    ("GET", "/api/v1/auth/keys"),
    ("POST", "/api/v1/auth/keys/rotate"),
    ("POST", "/api/v1/auth/keys/{kid}/revoke"),
    ("GET", "/.well-known/jwks.json"),
    ("POST", "/api/v1/users"),
    ("GET", "/api/v1/users/me"),
    ("GET", "/api/v1/users/{id}"),
    ("PATCH", "/api/v1/users/{id}"),
    ("DELETE", "/api/v1/users/{id}"),
    ("GET", "/api/v1/users"),
    ("POST", "/api/v1/users/search"),
    ("POST", "/api/v1/users/{id}/suspend"),
    ("POST", "/api/v1/users/{id}/reactivate"),
    ("POST", "/api/v1/users/{id}/unlock"),
    ("POST", "/api/v1/roles"),
    ("GET", "/api/v1/roles"),
    ("GET", "/api/v1/roles/{id}"),
    ("PATCH", "/api/v1/roles/{id}"),
    ("DELETE", "/api/v1/roles/{id}"),
    ("POST", "/api/v1/role-assignments"),
    ("GET", "/api/v1/role-assignments"),
    ("DELETE", "/api/v1/role-assignments/{id}"),
    ("POST", "/api/v1/roles/check"),
    ("GET", "/api/v1/sessions"),
    ("GET", "/api/v1/sessions/{id}"),
    ("DELETE", "/api/v1/sessions/{id}"),
    ("DELETE", "/api/v1/sessions"),
    ("POST", "/api/v1/audits"),
    ("GET", "/api/v1/audits"),
    ("GET", "/api/v1/audits/{id}"),
];

/// A body that nothing is wrong with but the caller.
fn good_body(operation: &Operation) -> Value {
    let id = crate::openapi::NOBODY;
    match operation.path.as_str() {
        "/api/v1/auth/password/change" => {
            json!({"current_password": "current password!",
                "new_password": "Quittenbaum 77 am Fluss", "refresh_token": "udr_AAAA"})
        }
        "/api/v1/auth/reauthenticate" => {
            json!({"password": "current password!", "refresh_token": "udr_AAAA"})
        }
        "/api/v1/roles" => json!({"name": "anything", "permissions": ["orders:read"]}),
        "/api/v1/roles/{id}" => json!({"description": "x"}),
        "/api/v1/roles/check" => json!({"user_id": id, "permission": "orders:read"}),
        "/api/v1/role-assignments" => json!({"user_id": id, "role_id": id}),
        "/api/v1/audits" => json!({"action": "order_placed", "target_type": "order",
            "target_id": "1", "outcome": "success"}),
        "/api/v1/users/{id}" => json!({"given_name": "X"}),
        _ => json!({}),
    }
}

#[rstest]
#[tokio::test]
async fn who_may_not_is_refused_by_every_operation(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let operations = operations(&platform).await;
    let documented = |(method, path): &(&str, &str)| {
        operations
            .iter()
            .any(|o| o.method == *method && o.path == *path)
    };
    let missing: Vec<_> = WANTED.iter().filter(|wanted| !documented(wanted)).collect();
    assert!(missing.is_empty(), "not documented: {missing:?}");

    let (person, login) = client.newcomer_in().await;
    let (_, other) = client.newcomer_in().await;
    for operation in &operations {
        let is_public = PUBLIC.contains(&(operation.method.as_str(), operation.path.as_str()));
        assert_eq!(operation.is_guarded, !is_public, "{operation:?}");
        if is_public {
            continue;
        }
        let call = |path: &str| {
            let call = client.call(&operation.method, path);
            if operation.has_body {
                call.json(&good_body(operation))
            } else if operation.has_form {
                call.body("application/x-www-form-urlencoded", "token=x")
            } else {
                call
            }
        };
        let path = operation.concrete_path();
        let anonymous = call(&path).await;
        assert_eq!(anonymous.status, 401, "{operation:?}: {anonymous:?}");
        assert!(operation.statuses.contains(&401), "{operation:?}");
        for garbage in ["x", "a.b.c", &login.refresh, &format!("{}x", login.access)] {
            let refused = call(&path).bearer(garbage).await;
            refused.must_be(Code::AUTH_TOKEN_INVALID);
        }
        for scheme in [format!("Basic {}", login.access), login.access.clone()] {
            let refused = call(&path).header("authorization", &scheme).await;
            assert_eq!(refused.status, 401, "{refused:?}");
        }
        // Somebody who holds nothing, on what does not exist and on what is another's.
        if !operation.permissions.is_empty() {
            let refused = call(&path).bearer(&login.access).await;
            refused.must_be(Code::AUTH_PERMISSION_DENIED);
            assert!(operation.statuses.contains(&403), "{operation:?}");
        } else if operation.path.contains("{id}") {
            for id in [&platform.chief.id, &other.session] {
                let refused = call(&fill(&operation.path, id)).bearer(&login.access).await;
                assert!(
                    matches!(refused.status, 403 | 404),
                    "{operation:?}: {refused:?}"
                );
            }
        }
    }
    // Nothing of all that changed anything.
    platform.accepted_everywhere(&login.access).await;
    platform.accepted_everywhere(&other.access).await;
    let _ = client.log_in(&person).await;
}

#[rstest]
#[tokio::test]
async fn a_method_that_is_not_documented_is_405(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let operations = operations(&platform).await;
    let admin = platform.admin.access.as_str();
    for (path, documented) in methods(&operations) {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            if documented.contains(method) {
                continue;
            }
            let call = platform
                .client
                .call(method, &fill(&path, crate::openapi::NOBODY));
            let answer = call.bearer(admin).await;
            assert_eq!(answer.status, 405, "{answer:?}");
            let allow = answer.header("allow").unwrap_or_default();
            let allowed: BTreeSet<String> = allow
                .split(',')
                .map(|name| name.trim().to_uppercase())
                .collect();
            assert_eq!(allowed, documented, "{method} {path}");
        }
    }
    // Methods that no resource has, and words that are none.
    let port = platform.directory.gateway_port();
    for method in ["TRACE", "CONNECT", "PROPFIND", "BREW"] {
        let head = format!("{method} /api/v1/users/me HTTP/1.1");
        let answer = raw_request(port, &head, b"").await;
        assert!(matches!(answer.status, 400 | 405), "{answer:?}");
        let head = answer.head.to_lowercase();
        assert!(head.contains("application/problem+json"), "{answer:?}");
        // RFC 9110 section 15.5.6.
        assert!(
            answer.status == 400 || head.contains("\r\nallow: "),
            "{answer:?}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn every_good_answer_has_its_documented_status(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let operations = operations(&platform).await;
    let success: Vec<(&str, &str, u16)> = vec![
        ("POST", "/api/v1/auth/login", 200),
        ("POST", "/api/v1/auth/logout", 204),
        ("POST", "/api/v1/auth/password/change", 200),
        ("POST", "/api/v1/auth/reauthenticate", 200),
        ("POST", "/api/v1/users", 201),
        ("DELETE", "/api/v1/users/{id}", 204),
        ("POST", "/api/v1/roles", 201),
        ("POST", "/api/v1/role-assignments", 201),
        ("DELETE", "/api/v1/role-assignments/{id}", 204),
        ("DELETE", "/api/v1/sessions", 204),
        ("POST", "/api/v1/audits", 201),
    ];
    for (method, path, status) in success {
        let operation = operations
            .iter()
            .find(|o| o.method == method && o.path == path);
        let operation = operation.unwrap_or_else(|| panic!("{method} {path}"));
        assert!(operation.statuses.contains(&status), "{operation:?}");
    }
    // Internal routes are in no document; the page that shows the documents is there.
    for operation in &operations {
        assert!(!operation.path.contains("internal"), "{operation:?}");
    }
    let page = platform.client.get("/docs/").await.must(200);
    assert!(
        page.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
    let keys = platform
        .client
        .get("/.well-known/jwks.json")
        .await
        .must(200);
    let cache = keys.header("cache-control").unwrap();
    assert!(cache.contains("max-age=300"), "{cache}");
    let keys = keys.json();
    let keys = keys["keys"].as_array().unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        assert!(
            key.get("d").is_none() && key.get("k").is_none(),
            "a private key: {key}"
        );
    }
}
