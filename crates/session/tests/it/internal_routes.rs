//! The internal routes: who may call them, and what their bodies may be.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::TestIdentities;
use ud_events::BATCH_CONTENT_TYPE;
use ud_kernel::{
    Service, SessionId, UserId,
    models::{SessionGrant, SessionState, SessionStateResponse, SessionsClosed},
};

use crate::{
    app::{App, outcome},
    support::{
        Backend::{self, Redis, Sqlite},
        START, create, origin, rotation, secs, user,
    },
};

/// The state of a token of `grant` with `roles`.
pub async fn state(app: &App, grant: &SessionGrant, user: UserId, roles: &str) -> SessionState {
    let path = format!(
        "/internal/v1/sessions/{}/state?user_id={user}&pv=1&inc={}&roles={roles}&kid=key-1",
        grant.session_id, grant.incarnation
    );
    let answer = app
        .call(Service::Audit, Method::GET, &path)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    answer.json::<SessionStateResponse>().await.unwrap().state
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn a_session_s_life(#[case] backend: Backend) {
    let app = App::start(backend).await;
    let user = user();
    let id = SessionId::new(START);
    let path = format!("/internal/v1/sessions/{id}");
    let put = |body: Value| {
        app.call(Service::Auth, Method::PUT, &path)
            .json(&body)
            .send()
    };
    let body = serde_json::to_value(create(user, START)).unwrap();
    let first = put(body.clone()).await.unwrap();
    assert_eq!(first.status(), 201);
    let first: SessionGrant = first.json().await.unwrap();
    let again = put(body).await.unwrap();
    assert_eq!(again.status(), 200);
    assert_eq!(again.json::<SessionGrant>().await.unwrap(), first);

    let post = |path: &'static str, body: Value| {
        app.call(Service::Auth, Method::POST, path)
            .json(&body)
            .send()
    };
    let rotate = "/internal/v1/sessions/rotate";
    let request = rotation(&first, user, START.plus(secs(60)));
    let second = post(rotate, serde_json::to_value(&request).unwrap())
        .await
        .unwrap();
    assert_eq!(second.status(), 200);
    let second: SessionGrant = second.json().await.unwrap();
    assert_eq!(second.counter, 2);
    // Auth of the release before repeats it by the name that it knows.
    let former = "/internal/v1/sessions/step";
    let again = post(former, serde_json::to_value(&request).unwrap())
        .await
        .unwrap();
    assert_eq!(again.json::<SessionGrant>().await.unwrap(), second);
    assert_eq!(state(&app, &first, user, "user").await, SessionState::Good);

    let mut old = request.clone();
    old.epoch = 0;
    let answer = post(rotate, serde_json::to_value(old).unwrap())
        .await
        .unwrap();
    assert_eq!(
        outcome(answer).await,
        (409, "session.epoch-too-old".to_owned())
    );

    let not_before = json!({"user_id": user, "min_pv": 2});
    // Role of the release before repeats it by the name that it knows.
    for path in ["/internal/v1/not-before", "/internal/v1/marks"] {
        let call = app.call(Service::Role, Method::POST, path);
        let answer = call.json(&not_before).send().await.unwrap();
        assert_eq!(answer.status(), 204, "{path}");
    }
    assert_eq!(state(&app, &first, user, "user").await, SessionState::Stale);
    let answer = post(rotate, serde_json::to_value(&request).unwrap())
        .await
        .unwrap();
    assert_eq!(
        outcome(answer).await,
        (409, "session.policy-stale".to_owned())
    );

    let close = json!({"user_id": user, "min_epoch": 2, "origin": origin()});
    for expected in [1, 0] {
        let answer = post("/internal/v1/sessions/close", close.clone())
            .await
            .unwrap();
        let closed: SessionsClosed = answer.json().await.unwrap();
        assert_eq!(closed.closed, expected);
    }
    assert_eq!(
        state(&app, &first, user, "user").await,
        SessionState::Closed
    );
    let answer = post(rotate, serde_json::to_value(&request).unwrap())
        .await
        .unwrap();
    assert_eq!(outcome(answer).await, (401, "session.closed".to_owned()));
}

/// Each internal route, who may call it, and a body it would take.
fn routes(app: &App, user: UserId) -> Vec<(Method, String, &'static [Service], Option<Value>)> {
    let id = SessionId::new(app.clock.now());
    let grant = SessionGrant {
        session_id: id,
        counter: 1,
        key_id: "k1".to_owned(),
        issued_at: START,
        access_expires_at: START,
        refresh_expires_at: START,
        authenticated_at: START,
        amr: Vec::new(),
        incarnation: String::new(),
    };
    let to = |v| serde_json::to_value(v).unwrap();
    let state =
        format!("/internal/v1/sessions/{id}/state?user_id={user}&pv=1&inc=x&roles=user&kid=k");
    let close = json!({"user_id": user, "session_id": id, "origin": origin()});
    vec![
        (
            Method::PUT,
            format!("/internal/v1/sessions/{id}"),
            &[Service::Auth],
            Some(to(create(user, START))),
        ),
        (
            Method::POST,
            "/internal/v1/sessions/rotate".to_owned(),
            &[Service::Auth],
            Some(serde_json::to_value(rotation(&grant, user, START)).unwrap()),
        ),
        (
            Method::POST,
            "/internal/v1/sessions/step".to_owned(),
            &[Service::Auth],
            Some(serde_json::to_value(rotation(&grant, user, START)).unwrap()),
        ),
        (
            Method::POST,
            "/internal/v1/sessions/close".to_owned(),
            &[Service::Auth],
            Some(close),
        ),
        (
            Method::POST,
            "/internal/v1/not-before".to_owned(),
            &[Service::Role],
            Some(json!({"role": "editor", "min_pv": 1})),
        ),
        (
            Method::POST,
            "/internal/v1/marks".to_owned(),
            &[Service::Role],
            Some(json!({"role": "editor", "min_pv": 1})),
        ),
        (
            Method::POST,
            "/internal/v1/revoked-keys".to_owned(),
            &[Service::Auth],
            Some(json!({"kid": "leaked", "until": START.plus(secs(60))})),
        ),
        (Method::GET, state, &Service::ALL, None),
        (
            Method::POST,
            "/internal/v1/events".to_owned(),
            &Service::ALL,
            Some(json!([])),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_takes_its_callers_only() {
    let app = App::start(Sqlite).await;
    let user = user();
    let grant = app.log_in(user).await;
    let strangers = TestIdentities::new(app.clock.clone());
    for (method, path, allowed, body) in routes(&app, user) {
        let send = |token: String| {
            let mut request = app.call_with(method.clone(), &path, &token);
            if let Some(body) = &body {
                let kind = if body.is_array() {
                    BATCH_CONTENT_TYPE
                } else {
                    "application/json"
                };
                request = request.header("content-type", kind).body(body.to_string());
            }
            request.send()
        };
        for caller in Service::ALL {
            let token = app.identities.token(caller, Service::Session);
            let answer = send(token).await.unwrap();
            let refused = outcome(answer).await;
            if allowed.contains(&caller) {
                assert!(refused.0 != 403, "{path} by {caller}");
                let by_token = refused.1 == "service.token-invalid";
                assert!(
                    !by_token && refused.0 < 500,
                    "{path} by {caller}: {refused:?}"
                );
            } else {
                let expected = (403, "service.caller-not-allowed".to_owned());
                assert_eq!(refused, expected, "{path} by {caller}");
            }
        }
        let wrong = [
            app.identities.token(Service::Auth, Service::Role),
            strangers.token(Service::Auth, Service::Session),
            app.token(user, &grant, &["*"]),
            "x".to_owned(),
        ];
        for token in wrong {
            let refused = outcome(send(token).await.unwrap()).await;
            assert_eq!(refused, (401, "service.token-invalid".to_owned()), "{path}");
        }
        let expired = app.identities.token(Service::Auth, Service::Session);
        app.clock.advance(secs(3600));
        let refused = outcome(send(expired).await.unwrap()).await;
        assert_eq!(refused, (401, "service.token-invalid".to_owned()), "{path}");
        app.clock.set(START);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_checked() {
    let app = App::start(Sqlite).await;
    let user = user();
    let id = SessionId::new(START);
    let good = serde_json::to_value(create(user, START)).unwrap();
    let path = format!("/internal/v1/sessions/{id}");
    let invalid = (422, "request.validation-failed".to_owned());
    for (member, value) in [
        ("epoch", json!(-1)),
        ("pv", json!(1_i64 << 53)),
        ("nonce_hash", json!("short")),
        ("key_id", json!("")),
        ("key_id", json!("a\nb")),
        ("roles", json!(vec!["user"; 65])),
        ("roles", json!(["r".repeat(64)])),
        ("access_ttl", json!(0)),
        ("idle", json!(0)),
        ("absolute", json!(-1)),
        ("amr", json!(vec!["pwd"; 9])),
        ("now", json!("yesterday")),
        ("user_id", json!("7")),
        ("more", json!(1)),
    ] {
        let mut body = good.clone();
        body[member] = value.clone();
        let answer = app
            .call(Service::Auth, Method::PUT, &path)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(outcome(answer).await, invalid, "{member}: {value}");
    }
    for body in [
        json!({"user_id": user, "origin": origin()}),
        json!({"user_id": user, "min_epoch": 1, "session_id": id, "origin": origin()}),
        json!({"user_id": user, "session_id": id, "except_session_id": id, "origin": origin()}),
    ] {
        let call = app.call(Service::Auth, Method::POST, "/internal/v1/sessions/close");
        assert_eq!(
            outcome(call.json(&body).send().await.unwrap()).await,
            invalid,
            "{body}"
        );
    }
    for body in [
        json!({"min_pv": 1}),
        json!({"min_pv": 1, "user_id": user, "role": "editor"}),
        json!({"min_pv": -1, "user_id": user}),
    ] {
        let call = app.call(Service::Role, Method::POST, "/internal/v1/not-before");
        assert_eq!(
            outcome(call.json(&body).send().await.unwrap()).await,
            invalid,
            "{body}"
        );
    }
}
