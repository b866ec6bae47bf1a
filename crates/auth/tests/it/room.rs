//! Rights that do not fit into an access token: whatever asks for one is refused before anything is committed (SECURITY
//! rule 14). Role lets nobody have such rights; these came under another configuration, or past role.

use std::time::Duration;

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_config::Algorithm;
use ud_jwt::{MAX_SIGNED_BYTES, name_bytes, names_room};
use ud_kernel::models::Access;

use crate::{
    attempts::{attempt, unlock},
    peers::{Refuse, ordinary},
    unlock::attacked,
    world::{OTHER_PASSWORD, PASSWORD, World, outcome, text},
};

const AUDIENCE: &str = "user-domain";

fn refused() -> (u16, String) {
    (409, "auth.token-too-long".to_owned())
}

/// Rights whose names take `bytes` bytes, at the largest policy version.
fn rights(bytes: usize) -> Access {
    let mut access = ordinary();
    let mut left = bytes - name_bytes("user");
    while left > 0 {
        let take = if left <= 68 { left } else { 58 };
        access.permissions.push("p".repeat(take - name_bytes("")));
        left -= take;
    }
    access.policy_version = i64::MAX;
    access
}

impl World {
    fn give(&self, access: Access) {
        self.peers.with(|s| s.access = Some(access));
    }

    /// Everything that a refused request must leave as it is.
    async fn traces(&self) -> (Vec<String>, usize, usize, [usize; 4]) {
        let events = self.events().await;
        let sessions = self.peers.with(|s| s.sessions.len());
        let calls = self
            .peers
            .with(|s| s.created.len() + s.rotated.len() + s.closed.len());
        let tables = ["devices", "account_places", "unlock_codes", "login_counts"];
        let mut rows = [0; 4];
        for (rows, table) in rows.iter_mut().zip(tables) {
            *rows = self.rows(table).await;
        }
        let kinds = events.iter().map(|e| e.kind.to_string()).collect();
        (kinds, sessions, calls, rows)
    }

    async fn rows(&self, table: &'static str) -> usize {
        use diesel::{QueryableByName, RunQueryDsl as _, sql_types::BigInt};
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            n: i64,
        }
        let read = self.db.read(move |conn| {
            diesel::sql_query(format!("SELECT COUNT(*) AS n FROM {table}"))
                .get_result::<Count>(conn)
                .map_err(ud_db::StoreError::from)
        });
        usize::try_from(read.await.unwrap().n).unwrap()
    }

    fn login_request(&self) -> reqwest::RequestBuilder {
        let body = json!({"identifier": "ada@example.com", "password": PASSWORD});
        self.post("/api/v1/auth/login", &body)
    }

    fn refresh_request(&self, tokens: &Value) -> reqwest::RequestBuilder {
        let body = json!({"refresh_token": tokens["refresh_token"]});
        self.post("/api/v1/auth/refresh", &body)
    }
}

#[rstest]
#[actix_web::test]
async fn nothing_is_committed_for_a_token_that_would_be_too_long(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.register("ada@example.com").await;
    world.give(rights(4_000));
    let before = world.traces().await;
    assert_eq!(outcome(world.login_request()).await, refused(), "{backend}");
    assert_eq!(world.traces().await, before, "{backend}: a login");
    world.give(ordinary());
    let tokens = world.login("ada@example.com", PASSWORD).await;

    world.give(rights(4_000));
    let before = world.traces().await;
    // Longer than a repetition is answered: it is none.
    for _ in 0..3 {
        let refreshed = outcome(world.refresh_request(&tokens)).await;
        assert_eq!(refreshed, refused(), "{backend}");
        let again = outcome(world.reauthenticate(&tokens, PASSWORD)).await;
        assert_eq!(again, refused(), "{backend}");
        let changed = world.change_password(&tokens, PASSWORD, OTHER_PASSWORD);
        assert_eq!(outcome(changed).await, refused(), "{backend}");
        world.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(world.traces().await, before, "{backend}");
    // Logging out, and asking what the token of before says, need no new token.
    assert_eq!(world.validate(&tokens["access_token"]).await, 200);

    // When somebody has made the role smaller, everything is as it was.
    world.give(ordinary());
    let (status, next) = world.refresh(&tokens["refresh_token"]).await;
    assert_eq!(status, 200, "{backend}: {next}");
    let again = world.reauthenticate(&next, PASSWORD).send().await.unwrap();
    assert_eq!(again.status(), 200, "{backend}");
    world.login("ada@example.com", PASSWORD).await;
    let out = world
        .ask(Method::POST, "/api/v1/auth/logout")
        .bearer_auth(text(&next["access_token"]));
    assert_eq!(out.send().await.unwrap().status(), 204);
}

/// An owner whom strangers keep waiting has one code, and it is there for the next try when no token can be made now.
#[rstest]
#[actix_web::test]
async fn an_unlock_code_outlives_a_login_that_was_not_its_owners_fault(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, ada) = attacked(backend).await;
    let code = unlock(&world, ada).await;
    let login = attempt("ada@example.com", PASSWORD, "203.0.113.1").with_code(&code);
    // More often than a wrong password may be tried with it.
    for _ in 0..4 {
        world.give(rights(4_000));
        let before = world.traces().await;
        assert_eq!(login.status(&world).await, 409, "{backend}");
        assert_eq!(world.traces().await, before, "{backend}");
        world.give(ordinary());
        world.peers.with(|s| s.role_down = true);
        assert_eq!(login.status(&world).await, 503, "{backend}");
        assert_eq!(world.traces().await, before, "{backend}");
        world.peers.with(|s| s.role_down = false);
    }
    assert_eq!(login.status(&world).await, 200, "{backend}");
}

/// A right password is no failed login, whatever else keeps its owner out: the count is as before.
#[rstest]
#[actix_web::test]
async fn a_right_password_without_a_token_is_not_counted(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.register("ada@example.com").await;
    let here = attempt("ada@example.com", PASSWORD, "203.0.113.1");
    world.give(rights(4_000));
    for _ in 0..8 {
        assert_eq!(here.status(&world).await, 409, "{backend}");
    }
    world.give(ordinary());
    assert_eq!(here.status(&world).await, 200, "{backend}");
}

/// Rights that fitted when they were first read, and no longer when the session store asks for newer ones.
#[rstest]
#[actix_web::test]
async fn rights_that_grow_during_a_login_open_no_session(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.register("ada@example.com").await;
    let before = world.traces().await;
    let mut gate = world.gates.hold_at("login.access-read");
    let login = tokio::spawn(outcome(world.login_request()));
    let read = gate.arrived().await;
    world.give(rights(4_000));
    world.peers.refuse(&[Refuse::PolicyStale]);
    read.release();
    gate.arrived().await.release();
    drop(gate);
    assert_eq!(login.await.unwrap(), refused(), "{backend}");
    // That the owner was here stays known: the password was right.
    let (kinds, sessions, _, [devices, ..]) = world.traces().await;
    assert_eq!((kinds, sessions), (before.0, before.1), "{backend}");
    assert_eq!(devices, 0, "{backend}: nobody got its token");
    world
        .peers
        .with(|s| assert_eq!(s.created.len(), 1, "{backend}: it was not asked again"));
    world.give(ordinary());
    world.login("ada@example.com", PASSWORD).await;
}

/// Auth lets in what role does: rights that fill the room to the last byte, with every algorithm and long issuers.
#[actix_web::test]
async fn what_fills_the_room_logs_in_and_three_bytes_more_do_not() {
    let algorithms = [
        (Algorithm::EdDsa, ud_jwt::Algorithm::EdDsa),
        (Algorithm::Es256, ud_jwt::Algorithm::Es256),
        (Algorithm::Rs256, ud_jwt::Algorithm::Rs256),
    ];
    for (configured, algorithm) in algorithms {
        for issuer in ["https://id.example.com".to_owned(), "i\"".repeat(100)] {
            let world = World::start_with(Backend::Sqlite, |config, tokens| {
                config.signing.algorithm = configured;
                tokens.issuer.clone_from(&issuer);
            })
            .await;
            world.register("ada@example.com").await;
            let room = names_room(&issuer, AUDIENCE, algorithm);
            world.give(rights(room));
            let tokens = world.login("ada@example.com", PASSWORD).await;
            let length = text(&tokens["access_token"]).len();
            // The stand-in's incarnation is shorter than one of the store.
            assert!((MAX_SIGNED_BYTES - 60..=MAX_SIGNED_BYTES).contains(&length));
            let (status, next) = world.refresh(&tokens["refresh_token"]).await;
            assert_eq!(status, 200, "{algorithm}: {next}");
            world.give(rights(room + 3));
            assert_eq!(outcome(world.login_request()).await, refused());
            assert_eq!(outcome(world.refresh_request(&next)).await, refused());
        }
    }
}

/// Nobody is kept from a new password because role does not answer.
#[actix_web::test]
async fn a_password_is_changed_while_role_is_away() {
    let world = World::start(Backend::Sqlite).await;
    world.register("ada@example.com").await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    world.peers.with(|s| s.role_down = true);
    let change = world.change_password(&tokens, PASSWORD, OTHER_PASSWORD);
    assert_eq!(change.send().await.unwrap().status(), 204);
    world.peers.with(|s| s.role_down = false);
    assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 200);
    world.login("ada@example.com", OTHER_PASSWORD).await;
}
