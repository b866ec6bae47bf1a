//! Hashes that other systems made, through the door: what a login makes of them.

use auth_service::models::{
    credential::{self, StoredCredential},
    schema::credentials,
};
use diesel::prelude::*;
use rstest::rstest;
use serde_json::json;
use testkit::Backend;
use ud_db::{DbConn, StoreError};
use ud_kernel::{Service, UserId};

use crate::world::{OTHER_PASSWORD, PASSWORD, World, read, text};

const EMAIL: &str = "ada@example.com";

#[derive(serde::Deserialize)]
struct Vector {
    password: String,
    wrong: String,
    hash: String,
}

/// Wrong passwords are tried by the dozen here.
async fn world(backend: Backend) -> World {
    World::start_with(backend, |config, _| {
        config.limits.throttle = crate::attempts::no_throttle();
    })
    .await
}

/// Puts whatever text in place of all stored hashes, as an import or a restored table may.
async fn plant(world: &World, hash: &str) {
    let hash = hash.to_owned();
    let planted = world.db.tx(move |conn: &mut DbConn| {
        diesel::update(credentials::table)
            .set(credentials::password_hash.eq(Some(&hash)))
            .execute(conn)
            .map_err(StoreError::from)
    });
    assert_eq!(planted.await, Ok(1));
}

async fn stored(world: &World, user: UserId) -> StoredCredential {
    let found = world
        .db
        .read(move |conn| credential::store::find(conn, user))
        .await;
    found.unwrap().unwrap()
}

async fn hash_of(world: &World, user: UserId) -> Option<String> {
    let hash = stored(world, user).await.password_hash;
    hash.map(|hash| hash.as_str().to_owned())
}

#[rstest]
#[actix_web::test]
async fn a_login_puts_a_hash_of_our_own_in_place_of_a_foreign_one(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../vectors/foreign_hashes.json")).unwrap();
    let world = world(backend).await;
    let user = world.register(EMAIL).await;
    // Every scheme in full on SQLite; the databases differ in the column alone.
    let step = if backend == Backend::Sqlite { 1 } else { 9 };
    for vector in vectors.iter().step_by(step) {
        plant(&world, &vector.hash).await;
        let (status, _) = world.try_login(EMAIL, &vector.wrong).await;
        assert_eq!(status, 401, "{backend} {}", vector.hash);
        assert_eq!(hash_of(&world, user).await.as_ref(), Some(&vector.hash));
        world.login(EMAIL, &vector.password).await;
        let renewed = stored(&world, user).await;
        let hash = renewed.password_hash.unwrap();
        assert!(
            hash.as_str().starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"),
            "{backend} {}",
            vector.hash
        );
        assert_eq!(renewed.epoch, 1, "no session ends for it");
        world.login(EMAIL, &vector.password).await;
        assert_eq!(hash_of(&world, user).await.as_deref(), Some(hash.as_str()));
    }
}

#[rstest]
#[actix_web::test]
async fn what_is_no_accepted_hash_opens_nothing(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = world(backend).await;
    let user = world.register(EMAIL).await;
    let mut tokens = world.login(EMAIL, PASSWORD).await;
    for bad in [
        "plain text",
        "",
        "$argon2id$v=19$m=4194304,t=1,p=1$FKsZQEOM4owXFGHf9c9qIA$WtM+mWIdRPpTDs4fTFhUZQ",
        "$2b$31$n79VH.0Q2TMWmt3Oqt9ukuBTX3NXGzm3VXbJe2F5R2pmrUcvooyHi",
        "pbkdf2:sha1:1000$GVgZcAuIMl8SZ0Yy$0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
    ] {
        plant(&world, bad).await;
        let (status, body) = world.try_login(EMAIL, PASSWORD).await;
        assert_eq!(
            (status, text(&body["code"])),
            (401, "auth.invalid-credentials"),
            "{backend} {bad}"
        );
        let (status, _) = world.try_login(EMAIL, bad).await;
        assert_eq!(status, 401, "{backend} {bad}");
        // What stands there is nobody's password, and everything else goes on.
        assert!(hash_of(&world, user).await.is_none());
        let (status, next) = world.refresh(&tokens["refresh_token"]).await;
        assert_eq!(status, 200, "{backend} {bad}: {next}");
        tokens = next;
    }
}

#[rstest]
#[actix_web::test]
async fn renewing_a_hash_never_undoes_a_change_of_password(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = world(backend).await;
    let user = world.register(EMAIL).await;
    let tokens = world.login(EMAIL, PASSWORD).await;
    plant(&world, &bcrypt::hash(PASSWORD, 4).unwrap()).await;
    // Between the check and the new hash of the same password, the owner sets another one.
    let mut gate = world.gates.hold_at("login.session-opened");
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    let login = actix_web::rt::spawn(read(world.post("/api/v1/auth/login", &body)));
    let held = gate.arrived().await;
    let change = world.change_password(&tokens, PASSWORD, OTHER_PASSWORD);
    assert_eq!(read(change).await.0, 200, "{backend}");
    let changed = hash_of(&world, user).await;
    drop(gate);
    held.release();
    assert_eq!(login.await.unwrap().0, 200, "{backend}");
    assert_eq!(hash_of(&world, user).await, changed, "{backend}");
    assert_eq!(world.try_login(EMAIL, PASSWORD).await.0, 401, "{backend}");
    world.login(EMAIL, OTHER_PASSWORD).await;
    assert_eq!(
        stored(&world, user).await.epoch,
        2,
        "{backend}: the login's own session was closed by the change"
    );
}

#[actix_web::test]
async fn a_change_of_password_replaces_a_foreign_hash_too() {
    let world = World::start(Backend::Sqlite).await;
    let user = world.register(EMAIL).await;
    let tokens = world.login(EMAIL, PASSWORD).await;
    plant(&world, &bcrypt::hash(PASSWORD, 4).unwrap()).await;
    let change = world.change_password(&tokens, PASSWORD, OTHER_PASSWORD);
    assert_eq!(read(change).await.0, 200);
    let hash = hash_of(&world, user).await.unwrap();
    assert!(hash.starts_with("$bcrypt-sha256$"), "{hash}");
    let path = format!("/internal/v1/credentials/{user}");
    let credential = world.call(Service::Profile, reqwest::Method::GET, &path);
    assert_eq!(read(credential).await.0, 200);
}
