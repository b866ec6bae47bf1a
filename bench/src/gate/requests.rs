//! Instructions of `standalone` for one operation, in one process on SQLite, one request at a time.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use end_to_end::{Kind, Login, Platform, standalone};
use serde_json::json;
use ud_kernel::Service;

use super::{
    callgrind::{Callgrind, Span},
    costs::{Cost, Costs},
};
use crate::{
    scenarios::validate,
    wire::{Reply, Wire, get_request, json_request, request},
    world::site,
};

/// Tokens of the second figure of validation.
const TOKENS: usize = 10_000;
/// Sessions that they belong to.
const SESSIONS: usize = 50;
/// Tokens that nobody has sent before.
const NEW: usize = 300;
/// The instructions that run without any request are counted during this time.
const IDLE: Duration = Duration::from_secs(5);

/// Standalone under callgrind.
struct Counted {
    platform: Platform,
    callgrind: Callgrind,
    pid: u32,
    wire: Wire,
    /// Instructions in a second without a request: timers, and relays that look for events.
    idle: f64,
}

/// Counts all of it.
///
/// # Panics
/// If an answer is wrong, or callgrind is missing.
pub async fn measure() -> Costs {
    let options = site(Kind::Standalone, Some("4"))
        .set("HTTP_WORKERS", "1")
        .set("JWT_EXPIRATION_MIN", "60");
    let mut platform = options.start().await;
    let mut tokens = tokens(&platform).await;
    let new = tokens.split_off(TOKENS);
    let login = platform.client.log_in(&platform.chief).await;
    let folder = platform.folder().to_owned();
    let callgrind = Callgrind::new(folder);
    let program = callgrind.wrap(&standalone(), Span::OnCommand);
    let process = platform.process_mut(Service::Auth);
    let _ = process.stop().await;
    process.become_program(program);
    platform.restart(Service::Auth).await;

    let pid = platform.process(Service::Auth).process().pid();
    let port = platform.directory.gateway_port();
    let mut counted = Counted {
        wire: Wire::open(port).await.expect("it listens"),
        platform,
        callgrind,
        pid,
        idle: 0.0,
    };
    counted.rest().await;
    counted.everything(&login, &tokens, &new).await
}

/// Good tokens of the administrator, [`NEW`] more than [`TOKENS`].
async fn tokens(platform: &Platform) -> Vec<String> {
    let mut logins = Vec::new();
    for _ in 0..SESSIONS {
        logins.push(platform.client.log_in(&platform.chief).await);
    }
    let mut tokens = BTreeSet::new();
    while tokens.len() < TOKENS + NEW {
        for login in &mut logins {
            *login = platform.client.refresh(login).await;
            let _ = tokens.insert(login.access.clone());
        }
    }
    tokens.into_iter().take(TOKENS + NEW).collect()
}

impl Counted {
    async fn everything(mut self, login: &Login, tokens: &[String], new: &[String]) -> Costs {
        let mut costs = Costs::new();
        let mut add = |name: &str, figure| drop(costs.insert(name.to_owned(), figure));

        let one = vec![get_request(validate::PATH, &login.access); 2_000];
        add("validate, one token", self.count(&one, 200).await);
        let all = tokens
            .iter()
            .map(|token| get_request(validate::PATH, token));
        let all: Vec<_> = all.collect();
        // Every token is known before its turn is counted.
        self.send(&all, 200).await;
        let figure = self.count(&all, 200).await;
        add("validate, 10,000 tokens", figure);
        let new = new.iter().map(|token| get_request(validate::PATH, token));
        let new: Vec<_> = new.collect();
        let figure = self.count_all(&new, 200).await;
        add("validate, a token not seen before", figure);
        add("refresh", self.refresh(login, 300).await);
        let own = vec![get_request("/api/v1/users/me", &login.access); 1_000];
        add("profile read", self.count(&own, 200).await);
        let record = record(login);
        let figure = self.count(&vec![record; 500], 201).await;
        add("audit record", figure);
        let figure = self.change(login, 300).await;
        add("profile change with its event", figure);
        costs
    }

    /// Counts what happens without requests.
    async fn rest(&mut self) {
        self.callgrind.begin(self.pid);
        let _ = self.callgrind.count(self.pid);
        let begun = Instant::now();
        tokio::time::sleep(IDLE).await;
        let elapsed = begun.elapsed();
        let count = self.callgrind.count(self.pid);
        self.idle = count.total as f64 / elapsed.as_secs_f64();
    }

    /// Sends a tenth of `requests`, then counts all of them.
    async fn count(&mut self, requests: &[Vec<u8>], status: u16) -> Cost {
        self.send(&requests[..requests.len() / 10], status).await;
        self.count_all(requests, status).await
    }

    async fn count_all(&mut self, requests: &[Vec<u8>], status: u16) -> Cost {
        let begun = self.zero();
        self.send(requests, status).await;
        self.figure(begun, requests.len())
    }

    async fn refresh(&mut self, login: &Login, count: usize) -> Cost {
        let mut token = login.refresh.clone();
        for _ in 0..count / 10 {
            token = self.rotate(&token).await;
        }
        let begun = self.zero();
        for _ in 0..count {
            token = self.rotate(&token).await;
        }
        self.figure(begun, count)
    }

    async fn rotate(&mut self, token: &str) -> String {
        let body = json!({"refresh_token": token}).to_string();
        let request = json_request("POST", "/api/v1/auth/refresh", body.as_bytes());
        let reply = self.one(&request, 200).await;
        reply.text("refresh_token").expect("a refresh token")
    }

    /// Changes of a profile, until the last event of them is a record.
    async fn change(&mut self, login: &Login, count: usize) -> Cost {
        let path = format!("/api/v1/users/{}", login.user);
        let bearer = format!("Bearer {}", login.access);
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/merge-patch+json"),
        ];
        let change = |number| {
            let body = json!({"given_name": format!("Name {number:04}")}).to_string();
            request("PATCH", &path, &headers, body.as_bytes())
        };
        let changes: Vec<_> = (0..count).map(change).collect();
        self.send(&changes[..count / 10], 200).await;
        self.platform.until_delivered().await;
        let begun = self.zero();
        self.send(&changes, 200).await;
        self.platform.until_delivered().await;
        self.figure(begun, count)
    }

    fn zero(&mut self) -> Instant {
        let _ = self.callgrind.count(self.pid);
        Instant::now()
    }

    fn figure(&mut self, begun: Instant, operations: usize) -> Cost {
        let idle = self.idle * begun.elapsed().as_secs_f64();
        let count = self.callgrind.count(self.pid);
        Cost::of_operations(&count, operations, idle as u64)
    }

    async fn send(&mut self, requests: &[Vec<u8>], status: u16) {
        for request in requests {
            let _ = self.one(request, status).await;
        }
    }

    async fn one(&mut self, request: &[u8], status: u16) -> Reply {
        let reply = self.wire.send(request).await;
        reply
            .and_then(|reply| reply.must(status))
            .expect("an answer")
    }
}

fn record(login: &Login) -> Vec<u8> {
    let body = json!({
        "action": "order_placed", "actor_id": login.user, "target_type": "order", "target_id": "order-17",
        "outcome": "success", "metadata": {"total": 12.5, "lines": [1, 2]},
    });
    let bearer = format!("Bearer {}", login.access);
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    request(
        "POST",
        "/api/v1/audits",
        &headers,
        body.to_string().as_bytes(),
    )
}
