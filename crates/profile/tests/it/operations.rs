//! The OpenAPI document and the routes say the same.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::Value;
use testkit::{Backend, Proxy, TestDatabase};
use ud_http::ServiceBinary as _;
use user_profile_service::ProfileService;

use crate::world::{Options, World, expect_problem};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

async fn any_world() -> World {
    World::on(Backend::Sqlite).await
}

#[tokio::test]
async fn every_path_has_the_methods_of_the_document_and_no_other() {
    let world = any_world().await;
    let answer = world
        .request(Method::GET, "/api/v1/users/openapi.json")
        .send()
        .await
        .unwrap();
    let document: Value = answer.json().await.unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 7);
    for (path, item) in paths {
        let path = path.replace("{id}", &world.stranger().to_string());
        let documented: BTreeSet<&str> = METHODS
            .into_iter()
            .filter(|m| item.get(m).is_some())
            .collect();
        for name in METHODS {
            let method: Method = name.to_uppercase().parse().unwrap();
            let status = world.request(method, &path).send().await.unwrap().status();
            let is_there = status != StatusCode::METHOD_NOT_ALLOWED;
            // `search` and `me` look like ids to no one: each has its own resource.
            assert_eq!(
                is_there,
                documented.contains(name),
                "{name} {path}: {status}"
            );
            assert_ne!(status, StatusCode::NOT_FOUND, "{name} {path}");
        }
    }
}

#[tokio::test]
async fn every_operation_but_registration_needs_a_token() {
    let world = any_world().await;
    let document: Value = serde_json::to_value(ProfileService::openapi()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for name in METHODS.into_iter().filter(|m| item.get(m).is_some()) {
            let statuses: BTreeSet<&str> = item[name]["responses"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let is_open = item[name].get("security").is_none();
            assert_eq!(
                is_open,
                (name, path.as_str()) == ("post", "/api/v1/users"),
                "{name} {path}"
            );
            assert!(statuses.contains("503"), "{name} {path}");
            if is_open {
                continue;
            }
            assert!(statuses.contains("401"), "{name} {path}");
            let method: Method = name.to_uppercase().parse().unwrap();
            let path = path.replace("{id}", &world.stranger().to_string());
            let answer = world.request(method.clone(), &path).send().await.unwrap();
            expect_problem(answer, 401, "auth.token-missing").await;
            let answer = world
                .request(method, &path)
                .bearer_auth("x.y.z")
                .send()
                .await
                .unwrap();
            expect_problem(answer, 401, "auth.token-invalid").await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_database_that_goes_away_is_503_and_comes_back_by_itself(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    let port = reqwest::Url::parse(&database.url).unwrap().port().unwrap();
    let proxy = Some(Proxy::to_port(port));
    let world = World::start(
        database,
        Options {
            proxy,
            ..Options::default()
        },
    )
    .await;
    let ada = world.register_email("ada@example.org").await;
    let read = || {
        world
            .as_user(ada, &[], Method::GET, "/api/v1/users/me")
            .send()
    };
    let ready = || reqwest::get(format!("{}/readyz", world.internal));
    assert_eq!(ready().await.unwrap().status(), StatusCode::OK, "{backend}");

    world.proxy.as_ref().unwrap().cut();
    let answer = read().await.unwrap();
    assert!(answer.headers().contains_key("retry-after"));
    expect_problem(answer, 503, "server.store-unavailable").await;
    let answer = world.registration("bob@example.org").send().await.unwrap();
    expect_problem(answer, 503, "server.store-unavailable").await;
    // What readyz says is up to a second old.
    let since = std::time::Instant::now();
    while ready().await.unwrap().status() != StatusCode::SERVICE_UNAVAILABLE {
        assert!(since.elapsed().as_secs() < 10, "{backend}");
    }

    world.proxy.as_ref().unwrap().resume();
    let mut status = StatusCode::SERVICE_UNAVAILABLE;
    for _ in 0..10 {
        status = read().await.unwrap().status();
        if status == StatusCode::OK {
            break;
        }
    }
    assert_eq!(status, StatusCode::OK, "{backend}");
    let held_up = world.served.delivers_what_was_held_up(&world.clock);
    held_up.await;
}
