//! Each operation over HTTP, on all three databases.

use reqwest::Method;
use role_service::models::{ADMIN_ROLE, USER_ROLE};
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;

use crate::service::{Answer, App};

fn id(answer: &Answer) -> String {
    answer.body["id"].as_str().unwrap().to_owned()
}

fn items(answer: &Answer) -> &[Value] {
    answer.body["items"].as_array().unwrap()
}

#[rstest]
#[actix_web::test]
async fn roles_are_made_read_changed_and_deleted(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    let admin = app.f.admin;
    let body = json!({"name": "clerk", "permissions": ["b:b", "a:a", "b:b"]});
    let made = app.post(admin, "/api/v1/roles", body.clone()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("/api/v1/roles/{}", id(&made));
    assert_eq!(made.header("location"), Some(path.as_str()));
    assert_eq!(made.header("etag"), Some("\"1\""));
    assert_eq!(
        made.body,
        json!({
            "id": id(&made), "name": "clerk", "description": null, "permissions": ["a:a", "b:b"],
            "built_in": false, "created_at": "2027-01-15T08:00:00.000Z",
            "updated_at": "2027-01-15T08:00:00.000Z",
        })
    );
    let again = app.post(admin, "/api/v1/roles", body).await;
    assert_eq!(again.problem(), (409, "role.name-taken"));

    let read = app.get(admin, &path).await;
    assert_eq!((read.status, read.header("etag")), (200, Some("\"1\"")));
    assert_eq!(read.body, made.body);

    let patch = json!({"description": "d", "permissions": ["a:a"]});
    let request = app.request_as(admin, Method::PATCH, &path).await;
    let stale = Answer::of(request.header("if-match", "\"9\"").json(&patch)).await;
    assert_eq!(stale.problem(), (412, "request.precondition-failed"));
    let request = app.request_as(admin, Method::PATCH, &path).await;
    let merge = request
        .header("if-match", "\"1\"")
        .header("content-type", "application/merge-patch+json")
        .body(patch.to_string());
    let changed = Answer::of(merge).await;
    assert_eq!(
        (changed.status, changed.header("etag")),
        (200, Some("\"2\""))
    );
    assert_eq!(
        changed.header("revocation"),
        None,
        "session has the not-before"
    );
    assert_eq!(changed.body["description"], "d");
    assert_eq!(changed.body["permissions"], json!(["a:a"]));
    let cleared = app.patch(admin, &path, json!({"description": null})).await;
    assert_eq!(cleared.body["description"], Value::Null);

    let request = app.request_as(admin, Method::DELETE, &path).await;
    let stale = Answer::of(request.header("if-match", "\"2\"")).await;
    assert_eq!(stale.problem().0, 412);
    assert_eq!(app.delete(admin, &path).await.status, 204);
    assert_eq!(
        app.get(admin, &path).await.problem(),
        (404, "role.not-found")
    );
    assert_eq!(
        app.delete(admin, &path).await.problem(),
        (404, "role.not-found")
    );
    let gone = app.patch(admin, &path, json!({})).await;
    assert_eq!(gone.problem(), (404, "role.not-found"));

    for (built_in, answer) in [
        (
            ADMIN_ROLE,
            app.patch(
                admin,
                &format!("/api/v1/roles/{ADMIN_ROLE}"),
                json!({"permissions": []}),
            )
            .await,
        ),
        (
            ADMIN_ROLE,
            app.delete(admin, &format!("/api/v1/roles/{ADMIN_ROLE}"))
                .await,
        ),
        (
            USER_ROLE,
            app.delete(admin, &format!("/api/v1/roles/{USER_ROLE}"))
                .await,
        ),
    ] {
        assert_eq!(answer.problem(), (409, "role.built-in"), "{built_in}");
    }
    app.stop().await;
}

#[rstest]
#[actix_web::test]
async fn lists_follow_their_cursors(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    let (admin, f) = (app.f.admin, &app.f);
    let user = f.user();
    for i in 0..4 {
        f.clock.advance(std::time::Duration::from_millis(2));
        let role = f.role(&format!("r{i}"), &[]).await;
        f.assign(user, role.id).await;
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/roles?limit=4".to_owned();
    loop {
        let page = app.get(admin, &path).await;
        names.extend(
            items(&page)
                .iter()
                .map(|r| r["name"].as_str().unwrap().to_owned()),
        );
        f.clock.advance(std::time::Duration::from_millis(1));
        // What comes in between is at the end: nothing is seen twice or left out.
        f.role(&format!("late{}", names.len()), &[]).await;
        match page.body["next_cursor"].as_str() {
            Some(cursor) if names.len() < 7 => {
                path = format!("/api/v1/roles?limit=4&cursor={cursor}")
            }
            _ => break,
        }
    }
    assert_eq!(names[..6], ["admin", "user", "r0", "r1", "r2", "r3"]);

    let page = app
        .get(
            admin,
            &format!("/api/v1/role-assignments?user_id={user}&limit=3"),
        )
        .await;
    assert_eq!(items(&page).len(), 3);
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let next = format!("/api/v1/role-assignments?user_id={user}&limit=3&cursor={cursor}");
    let last = app.get(admin, &next).await;
    assert_eq!(
        (items(&last).len(), &last.body["next_cursor"]),
        (1, &Value::Null)
    );
    // A cursor is a position, not a right.
    let foreign = app.get(f.user(), &next).await;
    assert!(items(&foreign).is_empty());
    app.stop().await;
}

#[rstest]
#[actix_web::test]
async fn assignments_are_made_read_and_taken_away(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    let (admin, f) = (app.f.admin, &app.f);
    let role = f.role("clerk", &["x:y"]).await;
    let (user, other) = (f.user(), f.user());
    let body =
        json!({"user_id": user, "role_id": role.id, "expires_at": "2027-01-16T09:00:00.999+01:00"});
    let made = app
        .post(admin, "/api/v1/role-assignments", body.clone())
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("/api/v1/role-assignments/{}", id(&made));
    assert_eq!(made.header("location"), Some(path.as_str()));
    assert_eq!(
        made.body,
        json!({
            "id": id(&made), "user_id": user, "role_id": role.id, "role": "clerk",
            "expires_at": "2027-01-16T08:00:00.000Z", "created_at": "2027-01-15T08:00:00.000Z",
        })
    );
    let again = app.post(admin, "/api/v1/role-assignments", body).await;
    assert_eq!(again.problem(), (409, "role.already-assigned"));
    let everybody = json!({"user_id": user, "role_id": USER_ROLE});
    let everybody = app.post(admin, "/api/v1/role-assignments", everybody).await;
    assert_eq!(everybody.problem(), (409, "role.built-in"));
    let ends =
        json!({"user_id": user, "role_id": ADMIN_ROLE, "expires_at": "2028-01-01T00:00:00Z"});
    let ends = app.post(admin, "/api/v1/role-assignments", ends).await;
    assert_eq!(
        (ends.problem(), ends.pointers()),
        ((422, "request.validation-failed"), vec!["/expires_at"])
    );
    let past = json!({"user_id": other, "role_id": role.id, "expires_at": "2027-01-15T08:00:00Z"});
    let past = app.post(admin, "/api/v1/role-assignments", past).await;
    assert_eq!(
        (past.problem().0, past.pointers()),
        (422, vec!["/expires_at"])
    );

    // The user reads their own; others do not, whatever they ask for.
    let own = app
        .get(user, &format!("/api/v1/role-assignments?user_id={admin}"))
        .await;
    assert_eq!(items(&own), std::slice::from_ref(&made.body));
    assert_eq!(app.get(user, &path).await.body, made.body);
    assert!(
        items(
            &app.get(other, &format!("/api/v1/role-assignments?user_id={user}"))
                .await
        )
        .is_empty()
    );
    assert_eq!(
        app.get(other, &path).await.problem(),
        (404, "role.assignment-not-found")
    );
    let seen = app
        .get(
            admin,
            &format!("/api/v1/role-assignments?role_id={}", role.id),
        )
        .await;
    assert_eq!(items(&seen), std::slice::from_ref(&made.body));

    assert_eq!(
        app.delete(user, &path).await.problem(),
        (403, "auth.permission-denied")
    );
    let taken = app.delete(admin, &path).await;
    assert_eq!((taken.status, taken.header("revocation")), (204, None));
    assert_eq!(
        app.delete(admin, &path).await.problem(),
        (404, "role.assignment-not-found")
    );
    let own = f.administrators().await.remove(0).id;
    let last = app
        .delete(admin, &format!("/api/v1/role-assignments/{own}"))
        .await;
    assert_eq!(last.problem(), (409, "role.last-administrator"));
    app.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_user_may_ask_what_they_may(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    let f = &app.f;
    let user = f.user_with("clerk", &["x:y"]).await;
    let ask = |caller, about, permission: &str| {
        let body = json!({"user_id": about, "permission": permission});
        let app = &app;
        async move { app.post(caller, "/api/v1/roles/check", body).await }
    };
    let yes = json!({"allowed": true, "because": ["clerk"]});
    assert_eq!(ask(user, user, "x:y").await.body, yes);
    assert_eq!(ask(f.admin, user, "x:y").await.body, yes);
    let no = json!({"allowed": false, "because": []});
    assert_eq!(ask(user, user, "x:z").await.body, no);
    assert_eq!(ask(user, user, "*").await.body, no);
    assert_eq!(
        ask(f.admin, f.admin, "*").await.body,
        json!({"allowed": true, "because": ["admin"]})
    );
    assert_eq!(
        ask(user, f.admin, "x:y").await.problem(),
        (403, "auth.permission-denied")
    );
    app.stop().await;
}
