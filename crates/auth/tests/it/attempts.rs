//! Logins as different people send them.

use auth_service::models::throttle::rule::ThrottleLimits;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ud_kernel::{Service, UserId};

use crate::world::{PASSWORD, World, limit, registration};

/// As configured by default.
pub fn throttle_limits() -> ThrottleLimits {
    ThrottleLimits {
        tries: limit(5, 900),
        account: limit(50, 1800),
        source: limit(100, 60),
    }
}

/// So many wrong passwords as no test tries.
pub fn no_throttle() -> ThrottleLimits {
    let many = limit(1_000_000, 900);
    ThrottleLimits {
        tries: many,
        account: many,
        source: many,
    }
}

/// A login about to be sent.
#[derive(Debug, Clone)]
pub struct Try {
    body: Value,
    address: String,
}

/// What a login was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// `Retry-After`, 0 without.
    pub wait: u64,
    pub body: Value,
}

pub fn attempt(identifier: &str, password: &str, address: &str) -> Try {
    Try {
        body: json!({"identifier": identifier, "password": password}),
        address: address.to_owned(),
    }
}

impl Try {
    pub fn with_token(mut self, token: &Value) -> Self {
        self.body["device_token"] = token.clone();
        self
    }

    pub fn with_code(mut self, code: &str) -> Self {
        self.body["unlock_code"] = code.into();
        self
    }

    pub async fn send(&self, world: &World) -> Answer {
        let request = world
            .post("/api/v1/auth/login", &self.body)
            .header("x-forwarded-for", &self.address);
        let answer = request.send().await.unwrap();
        let wait = answer.headers().get("retry-after");
        let wait = wait.map_or(0, |wait| wait.to_str().unwrap().parse().unwrap());
        Answer {
            status: answer.status().as_u16(),
            wait,
            body: answer.json().await.unwrap(),
        }
    }

    /// The status alone.
    pub async fn status(&self, world: &World) -> u16 {
        self.send(world).await.status
    }

    /// The device token that a login which succeeds is answered with.
    pub async fn device_token(&self, world: &World) -> Value {
        let answer = self.send(world).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert!(answer.body["device_token"].is_string());
        answer.body["device_token"].clone()
    }
}

/// A user with a username and [`PASSWORD`].
pub async fn register_named(world: &World, email: &str, username: &str) -> UserId {
    let user = world.new_user();
    let answer = world
        .put(user, &registration(email, Some(username), PASSWORD))
        .await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    user
}

/// Wrong passwords for `identifier` from `count` sources in as many /24 networks; `series` keeps them apart. Each is
/// answered 401 or, once there are too many, 429.
pub async fn strangers(world: &World, identifier: &str, series: u8, count: usize) -> Vec<u16> {
    let tries = (0..count).map(|n| {
        let address = format!("{series}.{}.{}.1", n / 250, n % 250);
        let attempt = attempt(identifier, "wrong", &address);
        async move { attempt.status(world).await }
    });
    let told = join_all(tries).await;
    assert!(
        told.iter().all(|status| [401, 429].contains(status)),
        "{told:?}"
    );
    told
}

/// Has profile set a user's status.
pub async fn set_status(world: &World, user: UserId, status: &str, sequence: i64) {
    let body = json!({"status": status, "sequence": sequence, "origin": {"request_id": "r"}});
    let path = format!("/internal/v1/credentials/{user}/status");
    let request = world.call(Service::Profile, Method::PUT, &path).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

/// Has profile ask for an unlock code.
pub async fn unlock(world: &World, user: UserId) -> String {
    let path = format!("/internal/v1/credentials/{user}/unlock");
    let body = json!({"origin": {"request_id": "r-9", "ip": "192.0.2.7"}});
    let request = world
        .call(Service::Profile, Method::POST, &path)
        .json(&body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["expires_in"], 600);
    body["unlock_code"].as_str().unwrap().to_owned()
}
