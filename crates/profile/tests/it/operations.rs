//! The OpenAPI document and the routes say the same.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::world::{Options, World, expect_problem};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

async fn any_world() -> World {
    let database = testkit::databases().next().unwrap();
    World::start(database, Options::default()).await
}

#[tokio::test]
async fn every_path_has_the_methods_of_the_document_and_no_other() {
    let world = any_world().await;
    let answer = world.request(Method::GET, "/api/v1/users/openapi.json").send().await.unwrap();
    let document: Value = answer.json().await.unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 6);
    for (path, item) in paths {
        let path = path.replace("{id}", &world.stranger().to_string());
        let documented: BTreeSet<&str> =
            METHODS.into_iter().filter(|m| item.get(m).is_some()).collect();
        for name in METHODS {
            let method: Method = name.to_uppercase().parse().unwrap();
            let status = world.request(method, &path).send().await.unwrap().status();
            let is_there = status != StatusCode::METHOD_NOT_ALLOWED;
            // `search` and `me` look like ids to no one: each has its own resource.
            assert_eq!(is_there, documented.contains(name), "{name} {path}: {status}");
            assert_ne!(status, StatusCode::NOT_FOUND, "{name} {path}");
        }
    }
}

#[tokio::test]
async fn every_operation_but_registration_needs_a_token() {
    let world = any_world().await;
    let document: Value = serde_json::to_value(user_profile_service::views::document()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for name in METHODS.into_iter().filter(|m| item.get(m).is_some()) {
            let statuses: BTreeSet<&str> = item[name]["responses"].as_object().unwrap().keys().map(String::as_str).collect();
            let is_open = item[name].get("security").is_none();
            assert_eq!(is_open, (name, path.as_str()) == ("post", "/api/v1/users"), "{name} {path}");
            assert!(statuses.contains("503"), "{name} {path}");
            if is_open {
                continue;
            }
            assert!(statuses.contains("401"), "{name} {path}");
            let method: Method = name.to_uppercase().parse().unwrap();
            let path = path.replace("{id}", &world.stranger().to_string());
            let answer = world.request(method.clone(), &path).send().await.unwrap();
            expect_problem(answer, 401, "auth.token-missing").await;
            let answer = world.request(method, &path).bearer_auth("x.y.z").send().await.unwrap();
            expect_problem(answer, 401, "auth.token-invalid").await;
        }
    }
}
