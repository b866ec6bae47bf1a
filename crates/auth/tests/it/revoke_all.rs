//! `rewrap` and `revoke-all` (SECURITY rules 30 and 35): killed in between, run twice.

use std::{collections::HashMap, sync::Arc};

use auth_service::{
    AuthState,
    flows::{revoke_all::revoke_all, rewrap::rewrap},
    models::{
        credential::{
            NewCredential,
            store::{self, FIRST_EPOCH},
        },
        error::AuthError,
        password::hash::PasswordHash,
        signing_key,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rstest::rstest;
use testkit::{Backend, Gates, new_key_ring};
use ud_config::KeyRing;
use ud_db::StoreError;
use ud_events::{Event, EventType};
use ud_kernel::{Failpoints, Service, UserId};
use ud_seal::Sealer;

use crate::world::{PASSWORD, World, text};

/// More than one batch.
const USERS: usize = 250;

/// Users who never log in, stored directly.
async fn many_users(world: &World) -> Vec<UserId> {
    let hash = PasswordHash::new(PASSWORD, 4).unwrap();
    let (users, now) = ((0..USERS).map(|_| world.new_user()), world.clock.now());
    let users: Arc<Vec<UserId>> = Arc::new(users.collect());
    let stored = Arc::clone(&users);
    let insert = world.db.tx(move |conn| {
        for user_id in stored.iter().copied() {
            let new = NewCredential {
                user_id,
                password_hash: hash.clone(),
                created_at: now,
            };
            store::insert(conn, &new)?;
        }
        Ok::<_, StoreError>(())
    });
    insert.await.unwrap();
    users.to_vec()
}

async fn epochs(world: &World, users: &[UserId]) -> HashMap<UserId, i64> {
    let mut found = HashMap::new();
    for part in users.chunks(100) {
        let part = part.to_vec();
        let read = world.db.read(move |conn| store::epochs(conn, &part));
        found.extend(
            read.await
                .unwrap()
                .into_iter()
                .map(|(id, epoch, _)| (id, epoch)),
        );
    }
    found
}

/// Runs `revoke_all` in a process that dies at `point`.
async fn killed_at(state: &AuthState, point: &'static str) {
    let gates = Gates::new();
    let mut gate = gates.hold_at(point);
    let mut dying = state.clone();
    dying.failpoints = gates.failpoints();
    let run = tokio::spawn(async move { revoke_all(&dying).await });
    gate.arrived().await.abandon();
    run.abort();
}

/// What the session service was told of each user last.
fn min_epochs(events: &[Event]) -> HashMap<UserId, i64> {
    let raised = events.iter();
    let raised = raised.filter(|e| e.kind == EventType::CREDENTIALS_EPOCH_RAISED);
    let min = |e: &Event| e.data.details["min_epoch"].as_i64().unwrap();
    raised
        .map(|e| (UserId::from_uuid(e.subject), min(e)))
        .collect()
}

#[rstest]
#[actix_web::test]
async fn revoke_all_ends_everything_from_before_even_if_it_was_killed_and_run_again(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let ada = world.register("ada@example.com").await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    let mut users = many_users(&world).await;
    users.push(ada);
    let state = world.other_process();

    killed_at(&state, "revoke-all.keys-replaced").await;
    let refused = async || (world.validate(&tokens["access_token"]).await == 401).then_some(());
    world.until(refused).await;
    killed_at(&state, "revoke-all.batch-raised").await;
    let half = epochs(&world, &users).await;
    let raised = half.values().filter(|epoch| **epoch > FIRST_EPOCH).count();
    assert_eq!(raised, 200, "{backend}");

    let revoked = revoke_all(&state).await.unwrap();
    assert_eq!(revoked.users, users.len() as u64, "{backend}");
    let after = epochs(&world, &users).await;
    assert_eq!(after.len(), users.len());
    assert!(
        after
            .iter()
            .all(|(id, epoch)| *epoch >= half[id] + 1_000_000),
        "{backend}"
    );

    // The service that runs delivers; the session service closes what it has.
    for so_many in [50, 100, 150, 200, users.len()] {
        let are_told = async || {
            let told = world.peers.with(|s| min_epochs(&s.events));
            let right = told
                .iter()
                .filter(|(user, min)| after.get(user) == Some(min));
            (right.count() >= so_many).then_some(())
        };
        world.until(are_told).await;
    }
    let refreshed = world.refresh(&tokens["refresh_token"]).await;
    assert_ne!(
        refreshed.0, 200,
        "{backend}: its session is of an older epoch"
    );
    let jwks = format!("{}/.well-known/jwks.json", world.public);
    let followed = async || {
        let set = reqwest::get(&jwks).await.unwrap();
        let set: serde_json::Value = set.json().await.unwrap();
        let kids: Vec<&str> = set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|k| text(&k["kid"]))
            .collect();
        (Some(&kids[..]) == revoked.kid.as_deref().as_ref().map(std::slice::from_ref)).then_some(())
    };
    world.until(followed).await;
    let again = world.login("ada@example.com", PASSWORD).await;
    assert_eq!(
        world.validate(&again["access_token"]).await,
        200,
        "{backend}"
    );

    let events = world.events().await;
    let events_of_it: Vec<_> = events
        .iter()
        .filter(|e| e.kind.as_str() == "credentials_revoked")
        .collect();
    assert_eq!(events_of_it.len(), 1, "{backend}");
    assert_eq!(events_of_it[0].data.details["users"], users.len());
    let rotated = events.iter().filter(|e| {
        e.data
            .details
            .get("reason")
            .is_some_and(|r| r == "revoke_all")
    });
    assert_eq!(rotated.count(), 3, "{backend}");

    // Once more: everything rises again.
    let second = revoke_all(&state).await.unwrap();
    assert_ne!(second.kid, revoked.kid, "{backend}");
    let last = epochs(&world, &users).await;
    assert!(
        last.iter()
            .all(|(id, epoch)| *epoch == after[id] + 1_000_000),
        "{backend}"
    );
}

fn text_of(ring: &KeyRing) -> String {
    let keys = ring
        .iter()
        .map(|(id, key)| format!("{id}:{}", URL_SAFE_NO_PAD.encode(key)));
    keys.collect::<Vec<_>>().join(",")
}

#[rstest]
#[actix_web::test]
async fn rewrapping_moves_every_key_to_the_first_of_the_ring(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let old: KeyRing = new_key_ring("old").parse().unwrap();
    let new: KeyRing = new_key_ring("new").parse().unwrap();
    let both: KeyRing = format!("{},{}", text_of(&new), text_of(&old))
        .parse()
        .unwrap();
    let ring = old.clone();
    let world = World::start_with(backend, move |config, _| {
        config.sealing.key_encryption = Some(ring);
    })
    .await;
    world.register("ada@example.com").await;
    world.peers.holds(&["keys:write"]);
    let tokens = world.login("ada@example.com", PASSWORD).await;
    let rotated = world.ask(reqwest::Method::POST, "/api/v1/auth/keys/rotate");
    let rotated = rotated.bearer_auth(text(&tokens["access_token"]));
    assert_eq!(rotated.send().await.unwrap().status(), 202);
    let sealed_under = async || {
        let rows = world.db.read(signing_key::store::load).await.unwrap();
        let ids = rows
            .iter()
            .map(|row| row.sealed_key.split('.').nth(1).unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(sealed_under().await, ["old", "old"], "{backend}");

    // Without the old key nothing is touched.
    let sealer = |ring: &KeyRing| Sealer::new(Service::Auth, ring.clone());
    let refused = rewrap(&world.db, &sealer(&new), &Failpoints::none()).await;
    assert!(matches!(refused, Err(AuthError::Internal(_))), "{backend}");
    assert_eq!(sealed_under().await, ["old", "old"], "{backend}");

    // Killed after the first, it goes on with the second; then there is nothing left to do.
    let gates = Gates::new();
    let mut gate = gates.hold_at("rewrap.moved");
    let (db, dying, failpoints) = (world.db.clone(), sealer(&both), gates.failpoints());
    let run = tokio::spawn(async move { rewrap(&db, &dying, &failpoints).await });
    gate.arrived().await.abandon();
    run.abort();
    assert_eq!(sealed_under().await, ["new", "old"], "{backend}");
    let again = async || {
        rewrap(&world.db, &sealer(&both), &Failpoints::none())
            .await
            .unwrap()
    };
    assert_eq!((again().await, again().await), (1, 0), "{backend}");
    assert_eq!(sealed_under().await, ["new", "new"], "{backend}");
    assert_eq!(
        rewrap(&world.db, &sealer(&new), &Failpoints::none())
            .await
            .unwrap(),
        0
    );

    // The service that runs did not notice, and one with the new ring alone reads them.
    assert_eq!(
        world.validate(&tokens["access_token"]).await,
        200,
        "{backend}"
    );
    let restarted = world.other_process_with(|config| config.sealing.key_encryption = Some(new));
    restarted.keys.load(true).await.unwrap();
    let keys = restarted.keys.get().unwrap();
    assert_eq!(
        serde_json::to_value(&keys.published).unwrap()["keys"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
