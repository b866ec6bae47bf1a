//! Each limit on writes, at its default, and that no write goes without (SECURITY rule 26).

use std::time::Instant;

use end_to_end::{Answer, Call, Client, Kind, Login, Options, Person, Platform, unique};
use futures_util::future::join_all;
use serde_json::json;
use ud_config::{Key, Limit, keys};
use ud_kernel::Code;

use crate::openapi::{NOBODY, Operation, operations};

/// Calls until one is refused: how many were let through.
async fn passed(call: &impl AsyncFn() -> Answer, most: u32) -> u32 {
    let mut passed = 0;
    loop {
        let answer = call().await;
        if answer.status == 429 {
            answer.must_be(Code::REQUEST_RATE_LIMITED);
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait), "{answer:?}");
            return passed;
        }
        passed += 1;
        assert!(passed <= 3 * most, "no limit: {answer:?}");
    }
}

/// Calls until the default limit of `key` refuses, and no sooner.
async fn holds(key: &Key, call: impl AsyncFn() -> Answer) {
    let limit: Limit = key.default.unwrap().parse().unwrap();
    let begun = Instant::now();
    // Several at once, to be faster than what becomes free meanwhile.
    let callers = (0..8).map(|_| passed(&call, limit.count));
    let passed: u32 = join_all(callers).await.iter().sum();
    let seconds = begun.elapsed().as_secs() + 1;
    let freed = u64::from(limit.count) * seconds / limit.per.as_secs() + 1;
    let most = limit.count + u32::try_from(freed).unwrap();
    assert!(
        (limit.count..=most).contains(&passed),
        "{}: {passed}",
        key.name
    );
}

async fn with_defaults() -> Platform {
    let mut options = Options::new(Kind::Standalone);
    let of_hashes = [
        &keys::LIMIT_LOGIN,
        &keys::LIMIT_LOGIN_FAILURES,
        &keys::LIMIT_REGISTRATION,
    ];
    for key in keys::limits().filter(|key| !of_hashes.contains(key)) {
        options = options.set(&key.name, "");
    }
    options.start().await
}

#[tokio::test]
async fn the_writes_of_a_user_each_at_its_default() {
    let platform = with_defaults().await;
    let client = &platform.client;
    let (person, login) = client.newcomer_in().await;
    let send = async |call: Call| call.bearer(&login.access).await;
    let own = format!("/api/v1/users/{}", person.id);
    holds(&keys::LIMIT_UPDATE_USER, async || {
        send(client.patch(&own).json(&json!({"given_name": unique()}))).await
    })
    .await;
    let foreign = format!("/api/v1/users/{NOBODY}");
    holds(&keys::LIMIT_DELETE_USER, async || {
        send(client.delete(&foreign)).await
    })
    .await;
    let session = format!("/api/v1/sessions/{NOBODY}");
    holds(&keys::LIMIT_CLOSE_SESSION, async || {
        send(client.delete(&session)).await
    })
    .await;
    holds(&keys::LIMIT_CLOSE_SESSIONS, async || {
        send(client.delete("/api/v1/sessions?scope=others")).await
    })
    .await;
    // Counted for each user, wherever they are: one call a second becomes free, and no more. Another user is not meant.
    let update = |client: &Client, person: &Person, login: &Login| {
        let path = format!("/api/v1/users/{}", person.id);
        let body = json!({"given_name": unique()});
        client.patch(&path).json(&body).bearer(&login.access)
    };
    let elsewhere = platform.client_at(2, 77);
    while update(client, &person, &login).await.status != 429 {}
    let (begun, mut passed) = (Instant::now(), 0);
    while update(&elsewhere, &person, &login).await.status != 429 {
        passed += 1;
        assert!(passed <= begun.elapsed().as_secs() + 1, "{passed}");
    }
    let (other, others) = client.newcomer_in().await;
    assert_eq!(update(client, &other, &others).await.status, 200);

    // The token of what is closed keeps its limit.
    let logout = json!({"refresh_token": login.refresh});
    holds(&keys::LIMIT_LOGOUT, async || {
        client.post("/api/v1/auth/logout").json(&logout).await
    })
    .await;
    holds(&keys::LIMIT_REFRESH_SESSION, async || {
        client.try_refresh(&login.refresh).await
    })
    .await;
    let good = client.refresh(&others).await;
    assert_eq!(good.session, others.session);

    let answer = client.try_log_in(&other.email, &other.password).await;
    let device = answer.must(200).text("device_token");
    let login = json!({"identifier": other.email, "password": "wrong", "device_token": device});
    holds(&keys::LIMIT_LOGIN_DEVICE, async || {
        client.post("/api/v1/auth/login").json(&login).await
    })
    .await;
}

#[tokio::test]
async fn the_writes_of_operators_each_at_its_default() {
    let platform = with_defaults().await;
    let (client, admin) = (&platform.client, &platform.admin);
    let send = async |call: Call| call.bearer(&admin.access).await;
    let person = client.newcomer().await;
    let user = |rest: &str| format!("/api/v1/users/{NOBODY}{rest}");
    let post = async |path: String| send(client.post(&path).json(&json!({}))).await;
    for (key, rest) in [
        (&keys::LIMIT_SUSPEND_USER, "/suspend"),
        (&keys::LIMIT_REACTIVATE_USER, "/reactivate"),
        (&keys::LIMIT_UNLOCK_USER, "/unlock"),
    ] {
        holds(key, async || post(user(rest)).await).await;
    }
    holds(&keys::LIMIT_OPERATOR_UPDATE_USER, async || {
        send(client.patch(&user("")).json(&json!({"given_name": "x"}))).await
    })
    .await;
    holds(&keys::LIMIT_OPERATOR_DELETE_USER, async || {
        send(client.delete(&user(""))).await
    })
    .await;
    let sessions = format!("/api/v1/sessions?scope=all&user_id={}", person.id);
    holds(&keys::LIMIT_OPERATOR_CLOSE_SESSIONS, async || {
        send(client.delete(&sessions)).await
    })
    .await;
    let session = format!("/api/v1/sessions/{NOBODY}");
    holds(&keys::LIMIT_OPERATOR_CLOSE_SESSION, async || {
        send(client.delete(&session)).await
    })
    .await;

    let role = format!("/api/v1/roles/{NOBODY}");
    holds(&keys::LIMIT_CREATE_ROLE, async || {
        let body = json!({"name": format!("r{}", unique()), "permissions": []});
        send(client.post("/api/v1/roles").json(&body)).await
    })
    .await;
    holds(&keys::LIMIT_UPDATE_ROLE, async || {
        send(client.patch(&role).json(&json!({"description": "x"}))).await
    })
    .await;
    holds(&keys::LIMIT_DELETE_ROLE, async || {
        send(client.delete(&role)).await
    })
    .await;
    holds(&keys::LIMIT_CREATE_ASSIGNMENT, async || {
        let body = json!({"user_id": person.id, "role_id": NOBODY});
        send(client.post("/api/v1/role-assignments").json(&body)).await
    })
    .await;
    let assignment = format!("/api/v1/role-assignments/{NOBODY}");
    holds(&keys::LIMIT_DELETE_ASSIGNMENT, async || {
        send(client.delete(&assignment)).await
    })
    .await;
    holds(&keys::LIMIT_ROTATE_KEYS, async || {
        send(client.post("/api/v1/auth/keys/rotate")).await
    })
    .await;
    holds(&keys::LIMIT_REVOKE_KEY, async || {
        send(client.post("/api/v1/auth/keys/nobodys/revoke")).await
    })
    .await;
    holds(&keys::LIMIT_CREATE_AUDIT, async || {
        let body =
            json!({"action": "a", "target_type": "t", "target_id": "1", "outcome": "success"});
        send(client.post("/api/v1/audits").json(&body)).await
    })
    .await;
}

/// Every operation that declares a limit, called twice where once is allowed: what the document says and what the
/// handler's type does are the same.
#[tokio::test]
async fn every_operation_that_declares_a_limit_has_it() {
    let mut options = Options::new(Kind::Standalone);
    for key in keys::limits() {
        let is_needed = key.name.starts_with("LIMIT_LOGIN") || &*key.name == "LIMIT_REGISTRATION";
        if !is_needed {
            options = options.set(&key.name, "1/3600");
        }
    }
    let platform = options.start().await;
    // From an address that has asked for nothing yet.
    let client = platform.client_at(2, 55);
    let all = operations(&platform).await;
    let limited: Vec<_> = all.iter().filter(|o| o.is_limited).collect();
    assert!(limited.len() >= 22, "{}", limited.len());
    for operation in limited {
        // Those are in limits.rs: here the platform itself needs them.
        if ["log_in", "register_user"].contains(&operation.id.as_str()) {
            continue;
        }
        let first = call(&client, &platform, operation).await;
        assert_ne!(first.status, 429, "{operation:?}: {first:?}");
        let second = call(&client, &platform, operation).await;
        second.must_be(Code::REQUEST_RATE_LIMITED);
    }
}

/// A request that the operation can read.
async fn call(client: &Client, platform: &Platform, operation: &Operation) -> Answer {
    let refresh = "udr_AAAA";
    let body = match operation.id.as_str() {
        "refresh_tokens" | "log_out" => json!({"refresh_token": refresh}),
        "change_password" => {
            let new = Person::password();
            json!({"refresh_token": refresh, "current_password": new, "new_password": new})
        }
        "reauthenticate" => json!({"refresh_token": refresh, "password": Person::password()}),
        "create_role" => json!({"name": format!("r{}", unique()), "permissions": []}),
        "create_assignment" => json!({"user_id": NOBODY, "role_id": NOBODY}),
        "create_audit" => {
            json!({"action": "a", "target_type": "t", "target_id": "1", "outcome": "success"})
        }
        _ => json!({}),
    };
    let mut path = operation.concrete_path();
    if operation.id == "close_sessions" {
        path.push_str("?scope=others");
    }
    let call = client.call(&operation.method, &path);
    let call = match (operation.has_body, operation.has_form) {
        (true, _) => call.json(&body),
        (_, true) => call.body("application/x-www-form-urlencoded", "token=x"),
        _ => call,
    };
    if operation.is_guarded {
        call.bearer(&platform.admin.access).await
    } else {
        call.await
    }
}
