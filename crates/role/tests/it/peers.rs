//! Auth and session: what they are told, and what happens when they are away.

use std::time::{Duration, Instant};

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::{Backend, Proxy};
use ud_kernel::Service;
use wiremock::{
    Mock, Request, ResponseTemplate,
    matchers::{method, path_regex},
};

use crate::{
    service::{Answer, App, credential},
    support::Fixture,
};

/// Longest wait for what comes by itself.
const PATIENCE: Duration = Duration::from_secs(10);

async fn told(app: &App) -> Vec<Value> {
    let requests = app.session.received_requests().await.unwrap();
    let told = requests
        .iter()
        .filter(|r| r.url.path() == "/internal/v1/not-before");
    told.map(|r| serde_json::from_slice(&r.body).unwrap())
        .collect()
}

#[actix_web::test]
async fn session_is_told_before_the_answer() {
    let app = App::start(Backend::Sqlite).await;
    let (admin, f) = (app.f.admin, &app.f);
    let role = f.role("clerk", &["a:a", "b:b"]).await;
    let (user, other) = (f.user(), f.user());
    let assignment = f.assign(user, role.id).await;
    f.assign(other, role.id).await;
    let path = format!("/api/v1/roles/{}", role.id);

    app.patch(admin, &path, json!({"permissions": ["a:a", "b:b", "c:c"]}))
        .await;
    app.patch(admin, &path, json!({"description": "d"})).await;
    assert!(told(&app).await.is_empty(), "nothing was taken away");

    app.patch(admin, &path, json!({"permissions": ["a:a"]}))
        .await;
    let version = f.access(user).await.policy_version;
    app.delete(
        admin,
        &format!("/api/v1/role-assignments/{}", assignment.id),
    )
    .await;
    app.delete(admin, &path).await;
    assert_eq!(
        told(&app).await,
        [
            json!({"role": "clerk", "min_pv": version}),
            json!({"user_id": user, "min_pv": version + 1}),
            json!({"role": "clerk", "min_pv": version + 2}),
        ]
    );
    let user_role = format!("/api/v1/roles/{}", role_service::models::USER_ROLE);
    app.patch(admin, &user_role, json!({"permissions": ["a:a"]}))
        .await;
    app.patch(admin, &user_role, json!({"permissions": []}))
        .await;
    assert_eq!(
        told(&app).await[3],
        json!({"role": "user", "min_pv": version + 4})
    );
    app.stop().await;
}

#[rstest]
#[actix_web::test]
async fn without_session_the_change_stands_and_the_answer_says_so(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    app.session.reset().await;
    app.served.leaves_events();
    let (admin, f) = (app.f.admin, &app.f);
    let role = f.role("clerk", &["a:a"]).await;
    let user = f.user();
    let assignment = f.assign(user, role.id).await;
    let path = format!("/api/v1/roles/{}", role.id);
    let grown = app
        .patch(admin, &path, json!({"permissions": ["a:a", "b:b"]}))
        .await;
    assert_eq!((grown.status, grown.header("revocation")), (200, None));
    let shrunk = app.patch(admin, &path, json!({"permissions": []})).await;
    assert_eq!(
        (shrunk.status, shrunk.header("revocation")),
        (200, Some("pending"))
    );
    assert_eq!(shrunk.body["permissions"], json!([]));
    let taken = app
        .delete(
            admin,
            &format!("/api/v1/role-assignments/{}", assignment.id),
        )
        .await;
    assert_eq!(
        (taken.status, taken.header("revocation")),
        (204, Some("pending"))
    );
    assert_eq!(f.access(user).await.roles, ["user"]);
    let gone = app.delete(admin, &path).await;
    assert_eq!(
        (gone.status, gone.header("revocation")),
        (204, Some("pending"))
    );
    let metrics = app.served.metrics().await;
    for operation in ["role_change", "assignment_deletion", "role_deletion"] {
        let counted =
            format!("revocation_pending_total{{operation=\"{operation}\",service=\"role\"}} 1");
        assert!(metrics.contains(&counted), "{counted}: {metrics}");
    }
    app.stop().await;
}

/// The event tells the not-before that the direct call could not tell.
#[rstest]
#[actix_web::test]
async fn the_event_completes_what_the_call_could_not(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    app.session.reset().await;
    let f = &app.f;
    let role = f.role("clerk", &["a:a"]).await;
    let user = f.user();
    let assignment = f.assign(user, role.id).await;
    let events = Mock::given(method("POST"))
        .and(path_regex("^/internal/v1/events$"))
        .respond_with(|request: &Request| {
            let batch: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
            let ids: Vec<&Value> = batch.iter().map(|event| &event["id"]).collect();
            ResponseTemplate::new(200).set_body_json(json!({"accepted": ids, "parked": []}))
        })
        .expect(1..)
        .mount_as_scoped(&app.session)
        .await;
    let path = format!("/api/v1/role-assignments/{}", assignment.id);
    let taken = app.delete(f.admin, &path).await;
    assert_eq!(taken.header("revocation"), Some("pending"), "{backend}");
    events.wait_until_satisfied().await;
    let sent = events.received_requests().await;
    let batch: Vec<Value> = serde_json::from_slice(&sent[0].body).unwrap();
    assert_eq!(batch.len(), 1);
    assert_eq!(batch[0]["type"], "role_unassigned");
    let version = f.access(user).await.policy_version;
    assert_eq!(
        batch[0]["data"]["details"],
        json!({"user_id": user, "min_pv": version})
    );
    drop(events);
    app.stop().await;
}

#[rstest]
#[actix_web::test]
async fn an_unknown_or_deleted_user_gets_no_role(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    let (admin, f) = (app.f.admin, &app.f);
    let role = f.role("clerk", &[]).await;
    let user = f.user();
    let body = json!({"user_id": user, "role_id": role.id});
    let assign = || app.post(admin, "/api/v1/role-assignments", body.clone());
    let answer_with = |answer: ResponseTemplate| async {
        app.auth.reset().await;
        let mock = Mock::given(method("GET")).and(path_regex("^/internal/v1/credentials/"));
        mock.respond_with(answer).mount(&app.auth).await;
    };
    let unknown = json!({"status": 404, "code": "auth.credential-not-found", "title": "x"});
    answer_with(ResponseTemplate::new(404).set_body_json(unknown)).await;
    assert_eq!(
        assign().await.problem(),
        (422, "role.unknown-user"),
        "{backend}"
    );
    let deleted = credential(&user.to_string(), "deleted");
    answer_with(ResponseTemplate::new(200).set_body_json(deleted)).await;
    assert_eq!(assign().await.problem(), (422, "role.unknown-user"));
    answer_with(ResponseTemplate::new(500)).await;
    let away = assign().await;
    assert_eq!(away.problem(), (503, "server.dependency-unavailable"));
    assert!(away.header("retry-after").is_some());
    // A 404 of something else on the way says nothing about the user.
    answer_with(ResponseTemplate::new(404)).await;
    assert_eq!(
        assign().await.problem(),
        (503, "server.dependency-unavailable")
    );
    assert!(f.assignments_of(user).await.is_empty());

    let suspended = credential(&user.to_string(), "suspended");
    answer_with(ResponseTemplate::new(200).set_body_json(suspended)).await;
    assert_eq!(assign().await.status, 201, "a suspended user may come back");
    let asked = app.auth.received_requests().await.unwrap();
    assert_eq!(
        asked[0].url.path(),
        format!("/internal/v1/credentials/{user}")
    );
    assert!(asked[0].headers.contains_key("authorization"));
    app.stop().await;
}

/// Refusals and reads by permission go to the audit log, through the outbox.
#[actix_web::test]
async fn what_was_refused_is_told() {
    let app = App::start(Backend::Sqlite).await;
    let f = &app.f;
    let writer = f.user_with("writer", &["roles:write"]).await;
    app.get(writer, "/api/v1/roles").await;
    app.post(
        writer,
        "/api/v1/roles",
        json!({"name": "mine", "permissions": ["a:a"]}),
    )
    .await;
    app.get(
        f.admin,
        &format!("/api/v1/role-assignments?user_id={writer}"),
    )
    .await;
    app.get(f.admin, "/api/v1/role-assignments").await;
    app.get(writer, "/api/v1/role-assignments").await;
    let admin = f.admin;
    // The stop waits for what is still in the queue.
    let f = app.stop().await;
    let events = f.events().await;
    let told: Vec<_> = events
        .iter()
        .filter(|e| e.kind.owner().is_none())
        .map(|e| {
            (
                e.kind.as_str(),
                e.data.actor_id.unwrap(),
                e.data.target_id.clone(),
                e.data.outcome.as_str(),
            )
        })
        .collect();
    assert!(
        told.contains(&(
            "permission_denied",
            writer,
            "GET /api/v1/roles".into(),
            "failure"
        )),
        "{told:?}"
    );
    assert!(
        told.contains(&(
            "permission_denied",
            writer,
            "POST /api/v1/roles".into(),
            "failure"
        )),
        "{told:?}"
    );
    assert!(
        told.contains(&("admin_read", admin, writer.to_string(), "success")),
        "{told:?}"
    );
    let everybody = "GET /api/v1/role-assignments".to_owned();
    assert!(
        told.contains(&("admin_read", admin, everybody, "success")),
        "{told:?}"
    );
    assert_eq!(told.len(), 4, "{told:?}");
}

/// The database goes away: 503, and readiness says so; it comes back: all is well again.
#[rstest]
#[actix_web::test]
async fn the_database_may_go_away_and_come_back(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let server: reqwest::Url = f.database.url.parse().unwrap();
    let proxy = Proxy::to_port(server.port().unwrap());
    let url = proxy.instead_of(&f.database.url);
    let app = App::start_on(f, &url).await;
    let admin = app.f.admin;
    // What readyz says is up to a second old.
    let until = async |status: u16| {
        let since = Instant::now();
        loop {
            let said = Answer::of(app.internal_as(Service::Auth, Method::GET, "/readyz")).await;
            if said.status == status {
                return said;
            }
            assert!(since.elapsed() < PATIENCE, "{backend}: {said:?}");
        }
    };
    assert_eq!(until(200).await.body["ready"], true);

    proxy.cut();
    let read = app.get(admin, "/api/v1/roles").await;
    assert_eq!(
        read.problem(),
        (503, "server.store-unavailable"),
        "{backend}"
    );
    assert!(read.header("retry-after").is_some());
    let body = json!({"name": "clerk", "permissions": []});
    let made = app.post(admin, "/api/v1/roles", body.clone()).await;
    assert_eq!(
        made.problem(),
        (503, "server.store-unavailable"),
        "{backend}"
    );
    let down = until(503).await;
    assert_eq!(down.body["ready"], false);
    assert!(down.body.to_string().contains("database"), "{down:?}");

    proxy.resume();
    // The pool tries again by itself; requests wait for it or fail quickly meanwhile.
    let since = Instant::now();
    while app.get(admin, "/api/v1/roles").await.status != 200 {
        assert!(since.elapsed() < PATIENCE, "{backend}");
    }
    let made = app.post(admin, "/api/v1/roles", body).await;
    assert_eq!(made.status, 201, "{backend}: {made:?}");
    until(200).await;
    app.served.delivers_what_was_held_up(&app.f.clock).await;
    app.stop().await;
}
