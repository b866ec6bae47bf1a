use std::{path::PathBuf, time::Duration};

use auth_service::{
    ALL_MIGRATIONS,
    flows::signing_keys,
    models::signing_key::{
        self, PUBLISH_AHEAD, StoredSigningKey, VERIFIES_FOR,
        loaded::{SealedKeys, SigningKeys},
        rotation::Reason,
    },
};
use diesel::{QueryableByName, RunQueryDsl as _, sql_types::Text};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use testkit::{Backend, TestDatabase, new_key_ring};
use ud_config::KeyRing;
use ud_db::{Db, DbConn, StoreError};
use ud_jwt::{Algorithm, KeySet};
use ud_kernel::{Clock, Service};
use ud_seal::Sealer;

use crate::world::{PASSWORD, START, World, config, outcome, text};

struct Keys {
    db: Db,
    ring: KeyRing,
    clock: Clock,
    _database: TestDatabase,
}

impl Keys {
    async fn new(backend: Backend) -> Self {
        let database = TestDatabase::create(backend);
        let options = config(&database, PathBuf::new()).database;
        let db = Db::open(&options, Service::Auth).unwrap();
        db.migrate(&ALL_MIGRATIONS).await.unwrap();
        let ring = new_key_ring("k1").parse().unwrap();
        Self {
            db,
            ring,
            clock: Clock::manual(START),
            _database: database,
        }
    }

    fn replica(&self, algorithm: Algorithm) -> SigningKeys {
        self.replica_with(algorithm, None, &self.ring)
    }

    fn replica_with(
        &self,
        algorithm: Algorithm,
        rotation: Option<Duration>,
        ring: &KeyRing,
    ) -> SigningKeys {
        SigningKeys::sealed(SealedKeys {
            db: self.db.clone(),
            sealer: Sealer::new(Service::Auth, ring.clone()),
            algorithm,
            rotation,
            clock: self.clock.clone(),
        })
    }

    fn active(&self, keys: &SigningKeys) -> String {
        let keys = keys.get().unwrap();
        keys.signing(self.clock.now()).kid().to_owned()
    }

    async fn rows(&self) -> Vec<StoredSigningKey> {
        self.db.read(signing_key::store::load).await.unwrap()
    }
}

fn kids(keys: &SigningKeys) -> Vec<String> {
    let jwks = serde_json::to_vec(&keys.get().unwrap().published).unwrap();
    let set = KeySet::from_jwks(&jwks).unwrap();
    let mut kids: Vec<String> = set.kids().map(|(kid, _)| kid.to_owned()).collect();
    kids.sort();
    kids
}

fn sorted(kids: [&String; 2]) -> Vec<String> {
    let mut kids = kids.map(Clone::clone).to_vec();
    kids.sort();
    kids
}

/// All load at once; gives how many of them made a key.
async fn load_at_once(replicas: &[SigningKeys], start: bool) -> usize {
    let loads = replicas.iter().map(|replica| replica.load(start));
    let loaded = futures_util::future::join_all(loads).await;
    let made = loaded.into_iter().map(Result::unwrap);
    made.filter(|made| *made).count()
}

#[rstest]
#[tokio::test]
async fn replicas_that_start_at_once_agree_on_one_key(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let keys = Keys::new(backend).await;
    let replicas: Vec<SigningKeys> = (0..6).map(|_| keys.replica(Algorithm::EdDsa)).collect();
    assert_eq!(load_at_once(&replicas, true).await, 1, "{backend}");
    let first = keys.active(&replicas[0]);
    assert!(
        replicas.iter().all(|r| keys.active(r) == first),
        "{backend}"
    );
    assert!(
        replicas.iter().all(|r| kids(r) == [first.clone()]),
        "{backend}"
    );
    let restarted = keys.replica(Algorithm::EdDsa);
    restarted.load(true).await.unwrap();
    assert_eq!(keys.active(&restarted), first, "{backend}");
}

#[rstest]
#[tokio::test]
async fn another_algorithm_is_published_before_it_signs(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let keys = Keys::new(backend).await;
    let running = keys.replica(Algorithm::EdDsa);
    running.load(true).await.unwrap();
    let old = keys.active(&running);
    let restarted: Vec<SigningKeys> = (0..4).map(|_| keys.replica(Algorithm::Es256)).collect();
    assert_eq!(load_at_once(&restarted, true).await, 1, "{backend}");
    let new = keys.rows().await.last().unwrap().kid.clone();
    let both = sorted([&old, &new]);
    for replica in &restarted {
        assert_eq!(
            (keys.active(replica), kids(replica)),
            (old.clone(), both.clone())
        );
    }
    // The replica that still runs follows, and does not turn it back.
    assert!(!running.load(false).await.unwrap());
    assert_eq!(kids(&running), both, "{backend}");
    keys.clock.advance(PUBLISH_AHEAD - Duration::from_millis(1));
    assert_eq!(keys.active(&running), old, "{backend}");
    // Nobody has to be told that the moment has come.
    keys.clock.advance(Duration::from_millis(1));
    for replica in restarted.iter().chain([&running]) {
        assert_eq!(
            (keys.active(replica), kids(replica)),
            (new.clone(), both.clone())
        );
    }
    // Until the last token of the old key has expired.
    keys.clock.advance(VERIFIES_FOR - Duration::from_millis(1));
    running.load(false).await.unwrap();
    assert_eq!(kids(&running), both, "{backend}");
    keys.clock.advance(Duration::from_millis(1));
    running.load(false).await.unwrap();
    assert_eq!(kids(&running), [new], "{backend}");
    let now = keys.clock.now();
    let forget = move |conn: &mut DbConn| signing_keys::forget_gone(conn, now);
    assert_eq!(keys.db.tx(forget).await.unwrap(), 1, "{backend}");
    assert_eq!(keys.db.tx(forget).await.unwrap(), 0, "{backend}");
    assert_eq!(keys.rows().await.len(), 1, "{backend}");
}

#[rstest]
#[tokio::test]
async fn on_schedule_one_of_several_replicas_makes_the_next_key(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    const DAY: Duration = Duration::from_secs(86_400);
    let keys = Keys::new(backend).await;
    let replica = || keys.replica_with(Algorithm::EdDsa, Some(90 * DAY), &keys.ring);
    let replicas: Vec<SigningKeys> = (0..6).map(|_| replica()).collect();
    load_at_once(&replicas, true).await;
    let mut active = keys.active(&replicas[0]);
    keys.clock
        .advance(90 * DAY - PUBLISH_AHEAD - Duration::from_secs(1));
    assert_eq!(load_at_once(&replicas, false).await, 0, "{backend}");
    keys.clock.advance(Duration::from_secs(1));
    for turn in 0..5 {
        assert_eq!(load_at_once(&replicas, false).await, 1, "{backend} {turn}");
        assert_eq!(load_at_once(&replicas, false).await, 0, "{backend} {turn}");
        let next = keys.rows().await.last().unwrap().kid.clone();
        for replica in &replicas {
            assert_eq!(keys.active(replica), active, "{backend}");
            assert_eq!(kids(replica), sorted([&active, &next]), "{backend}");
        }
        keys.clock.advance(PUBLISH_AHEAD);
        for replica in &replicas {
            assert_eq!(keys.active(replica), next, "{backend}");
        }
        active = next;
        keys.clock.advance(90 * DAY - PUBLISH_AHEAD);
    }
    // Without a schedule nothing is ever due.
    keys.clock.advance(3650 * DAY);
    assert!(!keys.replica(Algorithm::EdDsa).load(true).await.unwrap());
}

#[tokio::test]
async fn replicas_that_disagree_about_the_algorithm_do_not_fill_the_set() {
    let keys = Keys::new(Backend::Sqlite).await;
    for turn in 0..40 {
        let algorithm = [Algorithm::EdDsa, Algorithm::Es256][turn % 2];
        keys.replica(algorithm).load(true).await.unwrap();
    }
    let replica = keys.replica(Algorithm::EdDsa);
    replica.load(true).await.unwrap();
    assert!(kids(&replica).len() <= 12, "a verifier takes at most 16");
}

#[rstest]
#[tokio::test]
async fn private_keys_are_sealed_in_the_database(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        sealed_key: String,
    }
    let keys = Keys::new(backend).await;
    let replica = keys.replica(Algorithm::EdDsa);
    replica.load(true).await.unwrap();
    let rows = keys.db.read(|conn| {
        diesel::sql_query("SELECT sealed_key FROM signing_keys")
            .load::<Row>(conn)
            .map_err(StoreError::from)
    });
    let sealed = rows.await.unwrap().remove(0).sealed_key;
    assert!(sealed.starts_with("v1.k1."), "{backend}");
    // Under another key of the same name, and without it, the keys do not load, and none is made.
    for id in ["k1", "k2"] {
        let ring = new_key_ring(id).parse().unwrap();
        let stranger = keys.replica_with(Algorithm::EdDsa, None, &ring);
        assert!(stranger.load(true).await.is_err(), "{backend}");
        assert!(stranger.get().is_err());
    }
    let ring = format!("{},{}", new_key_ring("k2"), text_of(&keys.ring))
        .parse()
        .unwrap();
    let turned = keys.replica_with(Algorithm::EdDsa, None, &ring);
    turned.load(true).await.unwrap();
    assert_eq!(keys.active(&turned), keys.active(&replica));
}

#[rstest]
#[tokio::test]
async fn who_cannot_open_the_new_key_drops_the_revoked_one_all_the_same(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let keys = Keys::new(backend).await;
    let behind = keys.replica(Algorithm::EdDsa);
    behind.load(true).await.unwrap();
    let ring = format!("{},{}", new_key_ring("k2"), text_of(&keys.ring));
    let ahead = keys.replica_with(Algorithm::EdDsa, None, &ring.parse().unwrap());
    ahead.load(true).await.unwrap();
    assert_eq!(kids(&behind), kids(&ahead), "{backend}");
    let stored = ahead.stored().unwrap();
    let reason = Reason::RevokeAll;
    let new = signing_keys::replace_all(stored, reason).await.unwrap();
    // It has nothing left to sign with: 503, not a token that nobody accepts.
    for _ in 0..2 {
        assert!(behind.load(false).await.is_err(), "{backend}");
        assert!(behind.get().is_err(), "{backend}");
        assert!(!behind.source().has_keys(), "{backend}");
    }
    ahead.load(false).await.unwrap();
    assert_eq!(kids(&ahead), [new], "{backend}");
}

fn text_of(ring: &KeyRing) -> String {
    use base64::Engine as _;
    let (id, key) = ring.current();
    format!(
        "{id}:{}",
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key)
    )
}

#[actix_web::test]
async fn a_shared_secret_signs_and_nothing_is_published() {
    let secret = "a secret of thirty-two bytes, or more";
    let world = World::start_with(Backend::Sqlite, move |config, tokens| {
        config.signing.algorithm = ud_config::Algorithm::Hs256;
        tokens.shared_secret = Some(secret.into());
    })
    .await;
    world.register("ada@example.com").await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    assert_eq!(world.validate(&tokens["access_token"]).await, 200);
    let jwks = reqwest::get(format!("{}/.well-known/jwks.json", world.public))
        .await
        .unwrap();
    assert_eq!(jwks.text().await.unwrap(), r#"{"keys":[]}"#);
    let keys = ud_jwt::KeySource::fixed(KeySet::from_secret(secret.as_bytes()).unwrap());
    let verifier = ud_jwt::Verifier::new(
        testkit::ISSUER,
        testkit::AUDIENCE,
        keys,
        world.clock.clone(),
    );
    assert!(verifier.verify(text(&tokens["access_token"])).await.is_ok());
}

#[rstest]
#[actix_web::test]
async fn without_its_tables_the_service_starts_answers_503_and_recovers(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let elsewhere = World::start(Backend::Sqlite).await;
    elsewhere.register("ada@example.com").await;
    let tokens = elsewhere.login("ada@example.com", PASSWORD).await;
    let world = World::start_with(backend, |config, _| config.database.auto_migrate = false).await;
    let unavailable = (503, "auth.keys-unavailable".to_owned());
    // Whether a well-formed token is good is not known: none is answered with 401 now, or called inactive.
    let access = text(&tokens["access_token"]);
    let form = [("token", access)];
    let introspect = world.call(Service::Role, Method::POST, "/internal/v1/introspect");
    let login = json!({"identifier": "ada@example.com", "password": PASSWORD});
    for request in [
        world.ask(Method::GET, "/.well-known/jwks.json"),
        world
            .ask(Method::GET, "/api/v1/auth/validate")
            .bearer_auth(access),
        world.post("/api/v1/auth/refresh", &json!({"refresh_token": "udr_x"})),
        world.post("/api/v1/auth/login", &login),
        world
            .post("/api/v1/auth/logout", &json!({}))
            .bearer_auth(access),
        world
            .ask(Method::GET, "/api/v1/auth/keys")
            .bearer_auth(access),
        world.ask(Method::POST, "/api/v1/auth/revoke").form(&form),
        introspect.form(&form),
    ] {
        assert_eq!(outcome(request).await, unavailable, "{backend}");
    }
    let ready = format!("{}/readyz", world.internal);
    assert_eq!(reqwest::get(&ready).await.unwrap().status(), 503);
    world.db.migrate(&ALL_MIGRATIONS).await.unwrap();
    let is_ready = async || {
        let answer = reqwest::get(&ready).await.unwrap();
        answer.status().is_success().then_some(())
    };
    world.until(is_ready).await;
    world.register("ada@example.com").await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    assert_eq!(
        world.validate(&tokens["access_token"]).await,
        200,
        "{backend}"
    );
}
