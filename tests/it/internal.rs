//! The internal listeners: who may call what, and by which token (SECURITY rules 23 and 24).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use end_to_end::{Identities, Kind, Platform};
use serde_json::{Value, json};
use testkit::TestIdentities;
use ud_kernel::{Clock, Code, Service};

use crate::openapi::NOBODY;

struct Route {
    at: Service,
    method: &'static str,
    path: String,
    callers: &'static [Service],
}

/// docs/ARCHITECTURE.md: internal routes.
fn routes() -> Vec<Route> {
    use Service::{Audit, Auth, Profile, Role, Session};
    let all: &[Service] = &Service::ALL;
    let route = |at, method, path: &str, callers| Route {
        at,
        method,
        path: path.replace("{id}", NOBODY),
        callers,
    };
    let mut routes = vec![
        route(Auth, "PUT", "/internal/v1/credentials/{id}", &[Profile]),
        route(
            Auth,
            "PUT",
            "/internal/v1/credentials/{id}/status",
            &[Profile],
        ),
        route(
            Auth,
            "POST",
            "/internal/v1/credentials/{id}/unlock",
            &[Profile],
        ),
        route(Session, "PUT", "/internal/v1/sessions/{id}", &[Auth]),
        route(Session, "POST", "/internal/v1/sessions/rotate", &[Auth]),
        route(Session, "POST", "/internal/v1/sessions/step", &[Auth]),
        route(Session, "POST", "/internal/v1/sessions/close", &[Auth]),
        route(Session, "POST", "/internal/v1/not-before", &[Role]),
        route(Session, "POST", "/internal/v1/marks", &[Role]),
        route(Session, "POST", "/internal/v1/revoked-keys", &[Auth]),
        route(
            Session,
            "GET",
            "/internal/v1/sessions/{id}/state?user_id={id}&pv=1&inc=x&roles=user&kid=k",
            all,
        ),
        route(
            Role,
            "GET",
            "/internal/v1/users/{id}/access",
            &[Auth, Profile, Session],
        ),
        route(Role, "POST", "/internal/v1/administrators", &[Profile]),
    ];
    for at in [Auth, Role, Session, Audit, Profile] {
        routes.push(route(at, "POST", "/internal/v1/events", all));
    }
    routes
}

async fn call(platform: &Platform, route: &Route, token: &str) -> end_to_end::Answer {
    let call = platform.internal(route.at).call(route.method, &route.path);
    let call = if token.is_empty() {
        call
    } else {
        call.bearer(token)
    };
    // What is in the body is not looked at before who sends it.
    let call = if route.method == "GET" {
        call
    } else {
        call.json(&json!({"rubbish": true}))
    };
    call.await
}

#[tokio::test]
async fn each_route_has_its_callers() {
    let platform = Platform::services().await;
    let keys = platform.identities();
    for route in routes() {
        for caller in Service::ALL {
            let answer = call(&platform, &route, &keys.token(caller, route.at)).await;
            let what = format!(
                "{caller} calls {} {} at {}",
                route.method, route.path, route.at
            );
            if route.callers.contains(&caller) {
                assert!(
                    !matches!(answer.status, 401 | 403 | 405),
                    "{what}: {answer:?}"
                );
                assert!(answer.status < 500, "{what}: {answer:?}");
            } else {
                assert_eq!(
                    answer.code(),
                    Some(Code::SERVICE_CALLER_NOT_ALLOWED.as_str()),
                    "{what}: {answer:?}"
                );
            }
        }
    }
    // Profile reads credentials; nobody else but role does (for users that live).
    for (caller, may) in [
        (Service::Profile, true),
        (Service::Session, false),
        (Service::Audit, false),
        (Service::Auth, false),
    ] {
        let path = format!("/internal/v1/credentials/{NOBODY}");
        let token = keys.token(caller, Service::Auth);
        let answer = platform
            .internal(Service::Auth)
            .get(&path)
            .bearer(&token)
            .await;
        assert_eq!(
            answer.status,
            if may { 404 } else { 403 },
            "{caller}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn wrong_tokens_are_refused() {
    let platform = Platform::services().await;
    let keys = platform.identities();
    let strangers = TestIdentities::new(Clock::system());
    for route in routes() {
        let caller = route.callers[0];
        let good = keys.token(caller, route.at);
        let other = Service::ALL.into_iter().find(|s| *s != route.at).unwrap();
        for (what, token) in wrong_tokens(keys, &good, caller, route.at, other) {
            let answer = call(&platform, &route, &token).await;
            let code = Some(Code::SERVICE_TOKEN_INVALID.as_str());
            assert_eq!(answer.code(), code, "{what} at {}: {answer:?}", route.path);
        }
        let stranger = strangers.token(caller, route.at);
        let answer = call(&platform, &route, &stranger).await;
        answer.must_be(Code::SERVICE_TOKEN_INVALID);
        // A user inside, a service outside: neither counts.
        let answer = call(&platform, &route, &platform.admin.access).await;
        answer.must_be(Code::SERVICE_TOKEN_INVALID);
    }
    for (service, path) in end_to_end::OWN {
        for caller in Service::ALL {
            let token = keys.token(caller, service);
            let answer = platform.client.get(path).bearer(&token).await;
            answer.must_be(Code::AUTH_TOKEN_INVALID);
        }
    }
}

/// What is wrong, and a token that has it.
fn wrong_tokens(
    keys: &Identities,
    good: &str,
    caller: Service,
    at: Service,
    other: Service,
) -> Vec<(&'static str, String)> {
    let now = Clock::system().now();
    let past = now.minus(std::time::Duration::from_secs(90));
    let future = now.plus(std::time::Duration::from_secs(90));
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = |value: Value| format!("{}.{}.{}", encode(&value), parts[1], parts[2]);
    let kid = caller.as_str();
    vec![
        ("none", String::new()),
        ("rubbish", "rubbish".to_owned()),
        ("for another service", keys.token(caller, other)),
        ("expired", keys.token_at(caller, at, Clock::manual(past))),
        (
            "of the future",
            keys.token_at(caller, at, Clock::manual(future)),
        ),
        ("without signature", format!("{}.{}.", parts[0], parts[1])),
        (
            "alg none",
            format!(
                "{}.{}.",
                encode(&json!({"alg": "none", "typ": "service+jwt", "kid": kid})),
                parts[1]
            ),
        ),
        (
            "another type",
            header(json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid})),
        ),
        (
            "another key's name",
            header(json!({"alg": "EdDSA", "typ": "service+jwt", "kid": other.as_str()})),
        ),
        (
            "a symmetric signature",
            header(json!({"alg": "HS256", "typ": "service+jwt", "kid": kid})),
        ),
        (
            "a changed body",
            format!("{}.{}.{}", parts[0], encode(&json!({"iss": kid})), parts[2]),
        ),
    ]
}

#[tokio::test]
async fn standalone_keeps_its_internal_routes_to_itself() {
    let platform = Platform::standalone().await;
    let strangers = TestIdentities::new(Clock::system());
    for route in routes() {
        for token in [
            String::new(),
            platform.admin.access.clone(),
            strangers.token(route.callers[0], route.at),
        ] {
            // Its services call each other in the process: what they offer is no route.
            let answer = call(&platform, &route, &token).await;
            answer.must_be(Code::REQUEST_NOT_FOUND);
            let session = platform.internal(Service::Session);
            let feed = session.get("/internal/v1/revocations");
            let feed = if token.is_empty() {
                feed
            } else {
                feed.bearer(&token)
            };
            feed.await.must_be(Code::SERVICE_TOKEN_INVALID);
        }
    }
    let ready = testkit::http_get(&platform.directory.of(Service::Auth).ready)
        .await
        .unwrap();
    assert_eq!(ready.0, 200);
    // In public: whether, not why.
    let brief = platform.client.get("/readyz").await.must(200);
    assert_eq!(brief.json(), json!({"ready": true}));
    assert_eq!(Kind::Standalone, platform.kind);
}
