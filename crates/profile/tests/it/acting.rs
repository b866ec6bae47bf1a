//! Requests of one user about another.

use reqwest::{Method, Response};
use serde_json::Value;
use ud_kernel::UserId;

use crate::world::World;

pub async fn send(
    world: &World,
    user: UserId,
    permissions: &[&str],
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Response {
    let request = world.as_user(user, permissions, method, path);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    request.send().await.unwrap()
}

pub async fn patch(
    world: &World,
    user: UserId,
    permissions: &[&str],
    id: UserId,
    body: Value,
) -> Response {
    send(
        world,
        user,
        permissions,
        Method::PATCH,
        &format!("/api/v1/users/{id}"),
        Some(body),
    )
    .await
}

pub async fn post(
    world: &World,
    user: UserId,
    permissions: &[&str],
    id: UserId,
    verb: &str,
) -> Response {
    send(
        world,
        user,
        permissions,
        Method::POST,
        &format!("/api/v1/users/{id}/{verb}"),
        None,
    )
    .await
}

pub async fn delete(world: &World, user: UserId, permissions: &[&str], id: UserId) -> Response {
    send(
        world,
        user,
        permissions,
        Method::DELETE,
        &format!("/api/v1/users/{id}"),
        None,
    )
    .await
}
