use ud_kernel::{Service, UserId, models::SessionState};

use crate::service::{Running, start};

async fn call(service: &Running, path: &str, token: &str) -> (u16, String) {
    let method = if path.ends_with("privileged") {
        reqwest::Method::POST
    } else {
        reqwest::Method::GET
    };
    let request = service.http.request(method, service.url(path));
    let answer = request.bearer_auth(token).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: serde_json::Value =
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_handlers_type_decides_who_may_call() {
    let mut service = start(|_| {}).await;
    let (me, other) = (
        UserId::new(service.clock.now()),
        UserId::new(service.clock.now()),
    );
    let plain = service.token(me, &[]);
    let reader = service.token(me, &["users:read"]);
    let writer = service.token(me, &["roles:write"]);
    let admin = service.token(me, &["*"]);
    let own = format!("/api/v1/things/{me}");
    let foreign = format!("/api/v1/things/{other}");
    let privileged = "/api/v1/things/privileged";
    let denied = (403, "auth.permission-denied".to_owned());
    let hidden = (404, "user.not-found".to_owned());
    let cases = [
        (own.as_str(), &plain, (200, String::new())),
        (&foreign, &plain, hidden.clone()),
        (&foreign, &writer, hidden),
        (&foreign, &reader, (200, String::new())),
        (&foreign, &admin, (200, String::new())),
        (privileged, &plain, denied.clone()),
        (privileged, &reader, denied),
        (privileged, &writer, (204, String::new())),
        (privileged, &admin, (204, String::new())),
        ("/api/v1/things/mine", &plain, (204, String::new())),
    ];
    for (path, token, expected) in cases {
        assert_eq!(call(&service, path, token).await, expected, "{path}");
    }
    let event = service.security_events.try_recv().unwrap().event;
    assert_eq!(event.kind, ud_kernel::EventType::PERMISSION_DENIED);
    assert_eq!(event.origin.actor_id, Some(me));
    assert_eq!(event.target_id, "GET /api/v1/things/{id}");
}

#[tokio::test]
async fn a_recent_login_is_asked_of_those_who_have_the_permission() {
    let service = start(|_| {}).await;
    let user = UserId::new(service.clock.now());
    let recent = "/api/v1/things/recent";
    // The clock runs: a second is left for the request.
    for (permissions, age, expected) in [
        (&["roles:write"][..], 298, (204, "")),
        (
            &["roles:write"],
            300,
            (401, "auth.reauthentication-required"),
        ),
        (&["*"], 86_400, (401, "auth.reauthentication-required")),
        // By a clock that is ahead of this one, as far as clocks may differ; and further, where no age is known.
        (&["roles:write"], -4, (204, "")),
        (
            &["roles:write"],
            -60,
            (401, "auth.reauthentication-required"),
        ),
        (&["*"], -86_400, (401, "auth.reauthentication-required")),
        (&["users:read"], 0, (403, "auth.permission-denied")),
        (&["users:read"], 300, (403, "auth.permission-denied")),
    ] {
        let token = service.token_of_login(user, permissions, age);
        let (status, code) = call(&service, recent, &token).await;
        assert_eq!((status, code.as_str()), expected, "{permissions:?} {age}");
    }
    let old = service.token_of_login(user, &["roles:write"], 300);
    let request = service.http.get(service.url(recent)).bearer_auth(&old);
    let answer = request.send().await.unwrap();
    // RFC 9470 section 3.
    assert_eq!(
        answer.headers()["www-authenticate"],
        "Bearer error=\"insufficient_user_authentication\", max_age=300"
    );
    // Elsewhere the login's age does not matter.
    assert_eq!(
        call(&service, "/api/v1/things/privileged", &old).await.0,
        204
    );
}

#[tokio::test]
async fn a_closed_session_or_old_policy_ends_a_good_token() {
    let service = start(|_| {}).await;
    let token = service.token(UserId::new(service.clock.now()), &[]);
    for (state, expected) in [
        (
            SessionState::Closed,
            (401, "auth.session-closed".to_owned()),
        ),
        (SessionState::Stale, (401, "auth.token-stale".to_owned())),
        (SessionState::Good, (204, String::new())),
    ] {
        *service.state.lock().unwrap() = state;
        assert_eq!(
            call(&service, "/api/v1/things/mine", &token).await,
            expected
        );
    }
}

#[tokio::test]
async fn internal_routes_take_only_service_tokens_of_the_right_caller() {
    let mut service = start(|_| {}).await;
    let user = service.token(UserId::new(service.clock.now()), &["*"]);
    let profile = service.profile.token(Service::Role, None).unwrap();
    let elsewhere = service.profile.token(Service::Auth, None).unwrap();
    let audit = service.audit.token(Service::Role, None).unwrap();
    let url = format!("http://{}/internal/v1/things", service.internal);
    for (token, status) in [
        (Some(&profile), 200),
        (Some(&audit), 403),
        (Some(&elsewhere), 401),
        (Some(&user), 401),
        (None, 401),
    ] {
        let mut request = service.http.get(&url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    // A service token opens no public route.
    assert_eq!(call(&service, "/api/v1/things/mine", &profile).await.0, 401);
    let mut refused = 0;
    while let Some(noted) = service.security_events.try_recv() {
        assert_eq!(
            noted.event.kind,
            ud_kernel::EventType::SERVICE_TOKEN_REFUSED
        );
        refused += 1;
    }
    assert_eq!(refused, 4);
}

#[tokio::test]
async fn two_authorization_headers_are_refused() {
    let service = start(|_| {}).await;
    let token = service.token(UserId::new(service.clock.now()), &[]);
    let answer = service
        .http
        .get(service.url("/api/v1/things/mine"))
        .header("authorization", format!("Bearer {token}"))
        .header("authorization", "Bearer other")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
}
