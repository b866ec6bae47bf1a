//! What the two listeners let in: callers of the internal routes, the operations of the document, tokens older
//! than a change.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use testkit::Backend;
use ud_events::EventType;
use ud_kernel::{Service, models::Access};

use crate::service::{Answer, App};

#[rstest]
#[actix_web::test]
async fn the_internal_routes_answer_their_callers(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    let f = &app.f;
    let user = f.user_with("clerk", &["x:y"]).await;
    let path = format!("/internal/v1/users/{user}/access");
    for caller in [Service::Auth, Service::Profile, Service::Session] {
        let answer = Answer::of(app.internal_as(caller, Method::GET, &path)).await;
        let access: Access = serde_json::from_value(answer.body).unwrap();
        assert_eq!(access, f.access(user).await, "{caller}");
    }
    for caller in [Service::Audit, Service::Role] {
        let answer = Answer::of(app.internal_as(caller, Method::GET, &path)).await;
        assert_eq!(
            answer.problem(),
            (403, "service.caller-not-allowed"),
            "{caller}"
        );
    }
    let make = |user| {
        let body = json!({"user_id": user, "origin": {"request_id": "r"}});
        Answer::of(
            app.internal_as(
                Service::Profile,
                Method::POST,
                "/internal/v1/administrators",
            )
            .json(&body),
        )
    };
    assert_eq!(make(f.admin).await.status, 200, "is it already");
    assert_eq!(
        make(user).await.problem(),
        (409, "role.administrator-exists")
    );
    let body = json!({"user_id": user, "origin": {"request_id": "r"}});
    for caller in [
        Service::Auth,
        Service::Role,
        Service::Session,
        Service::Audit,
    ] {
        let request = app.internal_as(caller, Method::POST, "/internal/v1/administrators");
        let answer = Answer::of(request.json(&body)).await;
        assert_eq!(
            answer.problem(),
            (403, "service.caller-not-allowed"),
            "{caller}"
        );
    }

    let event = ud_events::NewEvent::about(
        Service::Profile,
        EventType::USER_DELETED,
        user,
        3,
        f.clock.now(),
        &ud_kernel::models::Provenance::default(),
    )
    .finish()
    .unwrap();
    for round in 0..2 {
        let request = app
            .internal_as(Service::Profile, Method::POST, "/internal/v1/events")
            .header("content-type", ud_events::BATCH_CONTENT_TYPE)
            .body(format!("[{}]", event.to_json().unwrap()));
        let answer = Answer::of(request).await;
        assert_eq!(
            answer.body["accepted"],
            json!([event.id]),
            "{backend} round {round}"
        );
    }
    assert!(f.permissions(user).await.is_empty());
    let answer = Answer::of(app.anonymous(Method::GET, &path)).await;
    assert_eq!(
        answer.problem(),
        (404, "request.not-found"),
        "not on the public listener"
    );
    app.stop().await;
}

/// Every path with every method: what the document lists answers, the rest is 405 with `Allow`. Nobody gets
/// in without a token, nor with one that lacks the permission.
#[actix_web::test]
async fn the_document_lists_what_there_is() {
    let app = App::start(Backend::Sqlite).await;
    let document = app.get(app.f.admin, "/api/v1/roles/openapi.json").await;
    assert_eq!(document.status, 200);
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let mut operations = 0;
    for (path, item) in document.body["paths"].as_object().unwrap() {
        let path = path.replace("{id}", &app.f.user().to_string());
        for method in &methods {
            let operation = &item[method.as_str().to_lowercase()];
            let anonymous = Answer::of(app.anonymous(method.clone(), &path)).await;
            if operation.is_null() {
                assert_eq!(
                    anonymous.problem(),
                    (405, "request.method-not-allowed"),
                    "{method} {path}"
                );
                assert!(anonymous.header("allow").is_some(), "{method} {path}");
                continue;
            }
            operations += 1;
            assert_eq!(
                anonymous.problem(),
                (401, "auth.token-missing"),
                "{method} {path}"
            );
            let needed = operation["security"][0]["bearer"].as_array().unwrap();
            let answer = Answer::of(app.with_token(app.f.user(), &[], method.clone(), &path)).await;
            if !needed.is_empty() {
                assert_eq!(
                    answer.problem(),
                    (403, "auth.permission-denied"),
                    "{method} {path}"
                );
            }
            let status = answer.status.to_string();
            assert!(
                !operation["responses"][&status].is_null(),
                "{method} {path} answers {status}"
            );
        }
    }
    assert_eq!(operations, 10);
    app.stop().await;
}

/// A token may be older than a change: rights are read at the moment of the operation.
#[rstest]
#[actix_web::test]
async fn a_token_gives_no_right_that_is_gone(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    let impostor = app.f.user();
    let body = json!({"name": "mine", "permissions": []});
    let request = app.with_token(impostor, &["*"], Method::POST, "/api/v1/roles");
    let answer = Answer::of(request.json(&body)).await;
    assert_eq!(answer.problem(), (403, "auth.permission-denied"));
    let writer = app.f.user_with("writer", &["roles:write"]).await;
    let body = json!({"name": "mine", "permissions": ["users:delete"]});
    let answer = app.post(writer, "/api/v1/roles", body).await;
    assert_eq!(answer.problem(), (403, "role.escalation"));
    app.stop().await;
}
