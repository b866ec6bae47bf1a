//! Introspection (RFC 7662) and revocation (RFC 7009) of tokens (SECURITY rule 22).

use std::time::Duration;

use auth_service::models::token::introspection_clients::IntrospectionClients;
use aws_lc_rs::digest::{SHA256, digest};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testkit::Backend;
use ud_config::keys;
use ud_kernel::Service;

use crate::world::{PASSWORD, World, outcome, read, text};

const INTROSPECT: &str = "/api/v1/auth/introspect";
const REVOKE: &str = "/api/v1/auth/revoke";
const SECRET: &str = "3f1d0c5a7e9b2468ace013579bdf02468ace13579bdf0123";

/// A world with a configured client `shop`, and the tokens of a user.
async fn world() -> (World, Value) {
    let world = World::start_with(Backend::Sqlite, |config, _| {
        let hash = hex::encode(digest(&SHA256, SECRET.as_bytes()));
        let clients = IntrospectionClients::parse(&format!("shop:{hash}"));
        config.introspection_clients = clients.unwrap();
    })
    .await;
    world.register("ada@example.com").await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    (world, tokens)
}

fn post(world: &World, path: &str, token: &str) -> RequestBuilder {
    world.ask(Method::POST, path).form(&[("token", token)])
}

fn as_shop(world: &World, token: &str) -> RequestBuilder {
    post(world, INTROSPECT, token).basic_auth("shop", Some(SECRET))
}

#[actix_web::test]
async fn an_active_token_is_told_and_nothing_else_is() {
    let (world, tokens) = world().await;
    let access = text(&tokens["access_token"]);
    let (status, told) = read(as_shop(&world, access)).await;
    assert_eq!((status, &told["active"]), (200, &json!(true)));
    assert_eq!(
        (&told["sub"], &told["sid"]),
        (&tokens["user_id"], &tokens["session_id"])
    );
    for (member, value) in [
        ("token_type", json!("Bearer")),
        ("client_id", json!("user-domain")),
        ("aud", json!(testkit::AUDIENCE)),
        ("iss", json!(testkit::ISSUER)),
        ("roles", json!(["user"])),
    ] {
        assert_eq!(told[member], value, "{told}");
    }
    assert!(told["exp"].as_i64() > told["iat"].as_i64());
    // Not "ada": random ids have that in them now and then.
    assert!(
        !told.to_string().contains("example.com"),
        "no personal data: {told}"
    );

    let service = world.identities.token(Service::Role, Service::Auth);
    let half = &access[..access.len() / 2];
    let refresh = text(&tokens["refresh_token"]);
    for foreign in ["x", "a.b.c", half, &service, refresh] {
        let answer = read(as_shop(&world, foreign)).await;
        assert_eq!(answer, (200, json!({"active": false})), "{foreign}");
    }
    // A closed session's token is not active, and neither is an expired one.
    let logout = world.ask(Method::POST, "/api/v1/auth/logout");
    let out = logout.bearer_auth(access).send().await.unwrap();
    assert_eq!(out.status(), 204);
    world.clock.advance(Duration::from_secs(1));
    let closed = async || {
        let (_, told) = read(as_shop(&world, access)).await;
        (told == json!({"active": false})).then_some(())
    };
    world.until(closed).await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    world.clock.advance(Duration::from_secs(900));
    let expired = read(as_shop(&world, text(&tokens["access_token"]))).await;
    assert_eq!(expired, (200, json!({"active": false})));
}

#[actix_web::test]
async fn who_may_not_introspect_learns_nothing() {
    let (world, tokens) = world().await;
    let access = text(&tokens["access_token"]).to_owned();
    let ask = || post(&world, INTROSPECT, &access);
    let refused = (401, "auth.invalid-credentials".to_owned());
    for (id, secret) in [
        ("shop", "wrong"),
        ("shop", ""),
        ("nobody", SECRET),
        ("", ""),
    ] {
        assert_eq!(outcome(ask().basic_auth(id, Some(secret))).await, refused);
    }
    for header in ["Basic", "Basic !", "Basic c2hvcA==", "Basic /w=="] {
        let answer = outcome(ask().header("authorization", header)).await;
        assert_eq!(answer.0, 401, "{header}");
    }
    let answer = ask()
        .basic_auth("shop", Some("wrong"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.headers()["www-authenticate"],
        "Basic realm=\"introspection\""
    );
    assert_eq!(outcome(ask()).await, (401, "auth.token-missing".to_owned()));
    // A user without the permission, and one with it.
    let denied = outcome(ask().bearer_auth(&access)).await;
    assert_eq!(denied, (403, "auth.permission-denied".to_owned()));
    world.peers.holds(&["tokens:introspect"]);
    world.register("server@example.com").await;
    let server = world.login("server@example.com", PASSWORD).await;
    let (status, told) = read(ask().bearer_auth(text(&server["access_token"]))).await;
    assert_eq!((status, &told["active"]), (200, &json!(true)));
    // A service's token is for the internal listener, where it is enough.
    let token = world.identities.token(Service::Role, Service::Auth);
    assert_eq!(outcome(ask().bearer_auth(&token)).await.0, 401);
    let internal = world
        .call(Service::Role, Method::POST, "/internal/v1/introspect")
        .form(&[("token", &access)]);
    let (status, told) = read(internal).await;
    assert_eq!((status, &told["active"]), (200, &json!(true)));
    let anonymous = reqwest::Client::new()
        .post(format!("{}/internal/v1/introspect", world.internal))
        .form(&[("token", &access)]);
    assert_eq!(outcome(anonymous).await.0, 401);
}

#[actix_web::test]
async fn revoking_either_token_ends_the_session() {
    let (world, _) = world().await;
    for member in ["access_token", "refresh_token"] {
        let tokens = world.login("ada@example.com", PASSWORD).await;
        let other = world.login("ada@example.com", PASSWORD).await;
        let token = text(&tokens[member]);
        for _ in 0..2 {
            let answer = post(&world, REVOKE, token).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{member}");
            assert_eq!(answer.content_length(), Some(0));
        }
        assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 401);
        assert_eq!(world.refresh(&other["refresh_token"]).await.0, 200);
    }
}

#[actix_web::test]
async fn revoking_what_is_no_token_of_ours_changes_nothing() {
    let (world, tokens) = world().await;
    let refresh = text(&tokens["refresh_token"]);
    let mut forged = refresh.to_owned();
    forged.truncate(refresh.len() - 2);
    forged.push_str("AA");
    let service = world.identities.token(Service::Role, Service::Auth);
    for token in ["x", "a.b.c", &forged, &service] {
        let answer = post(&world, REVOKE, token).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{token}");
    }
    world.peers.with(|s| assert!(s.closed.is_empty()));
    assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 200);
}

#[actix_web::test]
async fn a_revocation_that_session_did_not_hear_is_pending_and_follows() {
    let (world, tokens) = world().await;
    world.peers.with(|s| s.deaf = true);
    let answer = post(&world, REVOKE, text(&tokens["refresh_token"]))
        .send()
        .await;
    let answer = answer.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["revocation"]),
        (200, &"pending".parse().unwrap())
    );
    world.peers.with(|s| s.deaf = false);
    let told = world
        .until(async || world.peers.with(|s| s.events.first().cloned()))
        .await;
    assert_eq!(told.data.details["session_id"], tokens["session_id"]);
}

#[actix_web::test]
async fn bad_forms_are_problems() {
    let (world, _) = world().await;
    for path in [INTROSPECT, REVOKE] {
        let form = |body: &str| {
            world
                .ask(Method::POST, path)
                .basic_auth("shop", Some(SECRET))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body.to_owned())
        };
        let long = format!("token={}", "x".repeat(8193));
        for (body, status, code) in [
            ("", 422, "request.validation-failed"),
            ("token=", 422, "request.validation-failed"),
            (&long, 422, "request.validation-failed"),
            ("token=a&token=b", 400, "request.malformed"),
        ] {
            assert_eq!(
                outcome(form(body)).await,
                (status, code.to_owned()),
                "{path} {body:.20}"
            );
        }
        let big = format!("token=x&pad={}", "x".repeat(65 * 1024));
        assert_eq!(outcome(form(&big)).await.0, 413);
        let json = world.post(path, &json!({"token": "x"}));
        let json = json.basic_auth("shop", Some(SECRET));
        assert_eq!(outcome(json).await.0, 415);
    }
}

#[actix_web::test]
async fn both_are_limited_by_address() {
    let world = World::start_with(Backend::Sqlite, |config, _| {
        let limits = &mut config.limits.operations;
        limits.set(&keys::LIMIT_INTROSPECT, crate::world::limit(2, 60));
        limits.set(&keys::LIMIT_REVOKE, crate::world::limit(2, 60));
    })
    .await;
    world.peers.holds(&["tokens:introspect"]);
    world.register("server@example.com").await;
    let server = world.login("server@example.com", PASSWORD).await;
    let access = text(&server["access_token"]);
    for expected in [200, 200, 429] {
        let introspection = post(&world, INTROSPECT, "x").bearer_auth(access);
        assert_eq!(outcome(introspection).await.0, expected);
        assert_eq!(outcome(post(&world, REVOKE, "x")).await.0, expected);
    }
}
