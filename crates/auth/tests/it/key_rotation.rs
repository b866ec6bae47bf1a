//! Listing, rotating and revoking signing keys by API (SECURITY rules 15 and 16).

use std::{collections::HashSet, time::Duration};

use auth_service::models::signing_key::{PUBLISH_AHEAD, VERIFIES_FOR};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_config::Algorithm;
use ud_jwt::{KeySet, KeySource, Verifier};
use ud_kernel::UserId;

use crate::world::{PASSWORD, World, outcome, read, text};

/// A user who may rotate keys, and the user's access token.
async fn keeper(world: &World) -> (UserId, Value) {
    let user = world.register("ada@example.com").await;
    (user, log_in(world).await)
}

pub async fn log_in(world: &World) -> Value {
    world.peers.holds(&["keys:read", "keys:write"]);
    let tokens = world.login("ada@example.com", PASSWORD).await;
    tokens["access_token"].clone()
}

pub async fn rotate(world: &World, token: &Value) -> (u16, Value) {
    let path = "/api/v1/auth/keys/rotate";
    read(world.ask(Method::POST, path).bearer_auth(text(token))).await
}

pub async fn revoke(world: &World, kid: &Value, token: &Value) -> (u16, Value) {
    let path = format!("/api/v1/auth/keys/{}/revoke", text(kid));
    read(world.ask(Method::POST, &path).bearer_auth(text(token))).await
}

async fn list(world: &World, token: &Value) -> Vec<Value> {
    let request = world.ask(Method::GET, "/api/v1/auth/keys");
    let (status, body) = read(request.bearer_auth(text(token))).await;
    assert_eq!(status, 200, "{body}");
    body["items"].as_array().unwrap().clone()
}

async fn jwks(world: &World) -> Vec<String> {
    let (status, body) = read(world.ask(Method::GET, "/.well-known/jwks.json")).await;
    assert_eq!(status, 200, "{body}");
    let set = KeySet::from_jwks(body.to_string().as_bytes()).unwrap();
    set.kids().map(|(kid, _)| kid.to_owned()).collect()
}

pub fn kid_of(token: &Value) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let header = text(token).split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    text(&header["kid"]).to_owned()
}

fn states(items: &[Value]) -> Vec<&str> {
    items.iter().map(|key| text(&key["state"])).collect()
}

/// The events about keys: kind, reason, whether somebody is named as actor; sorted.
async fn told(world: &World, by: UserId) -> Vec<(String, String, bool)> {
    let events = world.events().await.into_iter();
    let about_keys = events.filter(|e| e.data.target_type == "signing_key");
    let mut told: Vec<_> = about_keys
        .map(|e| {
            let reason = e.data.details.get("reason").map(text).unwrap_or_default();
            assert!(e.data.actor_id.is_none_or(|actor| actor == by));
            let (kind, reason) = (e.kind.to_string(), reason.to_owned());
            (kind, reason, e.data.actor_id.is_some())
        })
        .collect();
    told.sort();
    told
}

const ROTATED: &str = "signing_key_rotated";
const REVOKED: &str = "signing_key_revoked";

fn event(kind: &str, reason: &str, has_actor: bool) -> (String, String, bool) {
    (kind.to_owned(), reason.to_owned(), has_actor)
}

#[rstest]
#[case(Backend::Sqlite, Algorithm::EdDsa)]
#[case(Backend::Postgres, Algorithm::Es256)]
#[case(Backend::Mysql, Algorithm::Rs256)]
#[actix_web::test]
async fn a_key_is_published_signs_retires_and_goes(
    #[case] backend: Backend,
    #[case] algorithm: Algorithm,
) {
    let world = World::start_with(backend, |config, _| config.signing.algorithm = algorithm).await;
    let (user, old_token) = keeper(&world).await;
    let old = kid_of(&old_token);
    let (status, new) = rotate(&world, &old_token).await;
    assert_eq!(status, 202, "{backend}: {new}");
    assert_eq!(new["state"], "published");
    assert_eq!(
        new["activates_at"],
        json!(world.clock.now().plus(PUBLISH_AHEAD))
    );
    // Asking again changes nothing.
    assert_eq!(rotate(&world, &old_token).await, (202, new.clone()));
    let kids: HashSet<String> = jwks(&world).await.into_iter().collect();
    let expected = HashSet::from([old.clone(), text(&new["kid"]).to_owned()]);
    assert_eq!(kids, expected, "{backend}");
    assert_eq!(kid_of(&log_in(&world).await), old, "{backend}");

    world.clock.advance(PUBLISH_AHEAD);
    let token = log_in(&world).await;
    assert_eq!(kid_of(&token), text(&new["kid"]), "{backend}");
    // What the old key signed is good until it ends by itself.
    assert_eq!(world.validate(&old_token).await, 200, "{backend}");
    let items = list(&world, &token).await;
    assert_eq!(states(&items), ["active", "retired"], "{backend}");
    assert_eq!(items[1]["kid"], json!(old));
    let retired_at = world.clock.now();
    assert_eq!(items[1]["retired_at"], json!(retired_at), "{backend}");
    assert_eq!(
        items[1]["verifies_until"],
        json!(retired_at.plus(VERIFIES_FOR))
    );
    let shown = json!(items).to_string();
    for private in ["sealed", "v1.k", "\"d\"", "generation"] {
        assert!(!shown.contains(private), "{shown}");
    }

    world.clock.advance(VERIFIES_FOR);
    let gone = async || (jwks(&world).await == [text(&new["kid"])]).then_some(());
    world.until(gone).await;
    let token = log_in(&world).await;
    assert_eq!(states(&list(&world, &token).await), ["active"], "{backend}");
    let expected = [
        event(ROTATED, "no_key", false),
        event(ROTATED, "request", true),
    ];
    assert_eq!(told(&world, user).await, expected, "{backend}");
}

#[rstest]
#[actix_web::test]
async fn of_many_who_rotate_at_once_all_get_one_key(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let (user, token) = keeper(&world).await;
    let other = world.other_process();
    other.keys.load(true).await.unwrap();
    let by_api = futures_util::future::join_all((0..6).map(|_| rotate(&world, &token)));
    let elsewhere = (0..6).map(|_| {
        auth_service::flows::signing_keys::rotate_keys(
            &other,
            ud_kernel::models::Provenance::default(),
        )
    });
    let (by_api, elsewhere) = tokio::join!(by_api, futures_util::future::join_all(elsewhere));
    let mut kids = HashSet::new();
    for (status, body) in by_api {
        assert_eq!(status, 202, "{backend}: {body}");
        kids.insert(text(&body["kid"]).to_owned());
    }
    for key in elsewhere {
        kids.insert(key.unwrap().kid);
    }
    assert_eq!(kids.len(), 1, "{backend}");
    assert_eq!(list(&world, &token).await.len(), 2, "{backend}");
    assert_eq!(told(&world, user).await.len(), 2, "{backend}");
}

#[rstest]
#[actix_web::test]
async fn a_revoked_key_takes_its_tokens_along_and_another_signs_at_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let (user, token) = keeper(&world).await;
    let leaked = json!(kid_of(&token));
    assert_eq!(world.validate(&token).await, 200);
    let (status, revoked) = revoke(&world, &leaked, &token).await;
    assert_eq!(
        (status, &revoked["state"]),
        (200, &json!("revoked")),
        "{backend}"
    );
    // The signature was checked before and remembered: that is forgotten.
    assert_eq!(world.validate(&token).await, 401, "{backend}");
    assert!(!jwks(&world).await.contains(&text(&leaked).to_owned()));

    let fresh = log_in(&world).await;
    assert_ne!(json!(kid_of(&fresh)), leaked);
    assert_eq!(world.validate(&fresh).await, 200, "{backend}");
    // Again: the same answer, no other effect.
    assert_eq!(revoke(&world, &leaked, &fresh).await, (200, revoked));
    assert_eq!(states(&list(&world, &fresh).await), ["active", "revoked"]);

    // With one published, that one takes over.
    let (_, published) = rotate(&world, &fresh).await;
    let (status, _) = revoke(&world, &json!(kid_of(&fresh)), &fresh).await;
    assert_eq!(status, 200, "{backend}");
    let last = log_in(&world).await;
    assert_eq!(json!(kid_of(&last)), published["kid"], "{backend}");
    assert_eq!(
        states(&list(&world, &last).await),
        ["active", "revoked", "revoked"]
    );
    let expected = [
        event(REVOKED, "", true),
        event(REVOKED, "", true),
        event(ROTATED, "no_key", false),
        event(ROTATED, "request", true),
        event(ROTATED, "revocation", true),
        event(ROTATED, "revocation", true),
    ];
    assert_eq!(told(&world, user).await, expected, "{backend}");

    // Neither is left in the database, nor comes back with a restart.
    let restarted = world.other_process();
    restarted.keys.load(true).await.unwrap();
    let keys = restarted.keys.get().unwrap();
    assert_eq!(keys.signing(world.clock.now()).kid(), kid_of(&last));
    world.clock.advance(Duration::from_secs(31 * 86_400));
    restarted.keys.load(false).await.unwrap();
    auth_service::tasks::forget_once(&restarted).await.unwrap();
    let last = log_in(&world).await;
    assert_eq!(states(&list(&world, &last).await), ["active"], "{backend}");
}

#[rstest]
#[actix_web::test]
async fn a_retired_or_a_published_key_is_revoked_without_touching_the_active_one(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let (_, first) = keeper(&world).await;
    rotate(&world, &first).await;
    world.clock.advance(PUBLISH_AHEAD);
    let second = log_in(&world).await;
    let (_, third) = rotate(&world, &second).await;
    for kid in [json!(kid_of(&first)), third["kid"].clone()] {
        assert_eq!(revoke(&world, &kid, &second).await.0, 200, "{backend}");
    }
    assert_eq!(world.validate(&first).await, 401, "{backend}");
    assert_eq!(world.validate(&second).await, 200, "{backend}");
    assert_eq!(jwks(&world).await, [kid_of(&second)], "{backend}");
    let items = list(&world, &second).await;
    assert_eq!(
        states(&items),
        ["revoked", "active", "revoked"],
        "{backend}"
    );
    world.clock.advance(PUBLISH_AHEAD);
    assert_eq!(kid_of(&log_in(&world).await), kid_of(&second), "{backend}");
}

#[rstest]
#[actix_web::test]
async fn all_who_revoke_the_active_key_at_once_leave_one_that_signs(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let (user, token) = keeper(&world).await;
    let kid = kid_of(&token);
    let other = world.other_process();
    other.keys.load(true).await.unwrap();
    let attempts = (0..6).map(|_| {
        auth_service::flows::signing_keys::revoke_key(
            &other,
            kid.clone(),
            ud_kernel::models::Provenance::default(),
        )
    });
    for revoked in futures_util::future::join_all(attempts).await {
        revoked.unwrap();
    }
    // The replica that was not asked follows.
    let refused = async || (world.validate(&token).await == 401).then_some(());
    world.until(refused).await;
    let fresh = log_in(&world).await;
    assert_eq!(
        states(&list(&world, &fresh).await),
        ["active", "revoked"],
        "{backend}"
    );
    assert_eq!(told(&world, user).await.len(), 3, "{backend}");
}

#[actix_web::test]
async fn only_who_may_reads_and_changes_keys() {
    let world = World::start(Backend::Sqlite).await;
    world.register("ada@example.com").await;
    let kid = jwks(&world).await.remove(0);
    let revocation = format!("/api/v1/auth/keys/{kid}/revoke");
    let operations = [
        (Method::GET, "/api/v1/auth/keys", "keys:read"),
        (Method::POST, "/api/v1/auth/keys/rotate", "keys:write"),
        (Method::POST, revocation.as_str(), "keys:write"),
    ];
    for held in [&[][..], &["keys:read"], &["users:write", "roles:write"]] {
        world.peers.holds(held);
        let tokens = world.login("ada@example.com", PASSWORD).await;
        for (method, path, needs) in &operations {
            let request = world.ask(method.clone(), path);
            assert_eq!(
                outcome(request).await,
                (401, "auth.token-missing".to_owned())
            );
            let request = world.ask(method.clone(), path);
            let got = outcome(request.bearer_auth(text(&tokens["access_token"]))).await;
            let expected = if held.contains(needs) {
                (200, String::new())
            } else {
                (403, "auth.permission-denied".to_owned())
            };
            assert_eq!(got, expected, "{path} with {held:?}");
        }
    }
    assert_eq!(jwks(&world).await, [kid], "nothing happened");
    let token = log_in(&world).await;
    for unknown in ["x", "..%2f", "%00", "%F0%9F%94%91", &"k".repeat(4_000)] {
        let path = format!("/api/v1/auth/keys/{unknown}/revoke");
        let request = world.ask(Method::POST, &path).bearer_auth(text(&token));
        let (status, code) = outcome(request).await;
        assert!(
            (400..500).contains(&status),
            "{status} {code} for {unknown}"
        );
    }
}

#[actix_web::test]
async fn a_shared_secret_has_nothing_to_rotate() {
    let secret = "a secret of thirty-two bytes, or more";
    let world = World::start_with(Backend::Sqlite, move |config, tokens| {
        config.signing.algorithm = Algorithm::Hs256;
        tokens.shared_secret = Some(secret.into());
    })
    .await;
    let (user, token) = keeper(&world).await;
    let conflict = (409, "key.shared-secret");
    let (status, body) = rotate(&world, &token).await;
    assert_eq!((status, text(&body["code"])), conflict);
    let (status, body) = revoke(&world, &json!(kid_of(&token)), &token).await;
    assert_eq!((status, text(&body["code"])), conflict);
    assert_eq!(list(&world, &token).await, Vec::<Value>::new());
    assert!(told(&world, user).await.is_empty());
    let keys = KeySource::fixed(KeySet::from_secret(secret.as_bytes()).unwrap());
    let clock = world.clock.clone();
    let verifier = Verifier::new(testkit::ISSUER, testkit::AUDIENCE, keys, clock);
    assert!(verifier.verify(text(&token)).await.is_ok());
}
