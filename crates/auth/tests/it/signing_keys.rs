use std::{path::PathBuf, time::Duration};

use auth_service::{
    ALL_MIGRATIONS,
    models::signing_keys::{SealedKeys, SigningKeys},
};
use diesel::{QueryableByName, RunQueryDsl as _, sql_types::Text};
use reqwest::Method;
use serde_json::json;
use testkit::{Backend, TestDatabase, new_key_ring};
use ud_config::KeyRing;
use ud_db::{Db, StoreError};
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
        let options = config(&database, PathBuf::new()).db_options();
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
        self.replica_with(algorithm, &self.ring)
    }

    fn replica_with(&self, algorithm: Algorithm, ring: &KeyRing) -> SigningKeys {
        SigningKeys::sealed(SealedKeys {
            db: self.db.clone(),
            sealer: Sealer::new(Service::Auth, ring.clone()),
            algorithm,
            access_ttl: Duration::from_secs(900),
            clock: self.clock.clone(),
        })
    }
}

fn kids(keys: &SigningKeys) -> Vec<String> {
    let jwks = serde_json::to_vec(&keys.get().unwrap().published).unwrap();
    let set = KeySet::from_jwks(&jwks).unwrap();
    let mut kids: Vec<String> = set.kids().map(|(kid, _)| kid.to_owned()).collect();
    kids.sort();
    kids
}

fn active(keys: &SigningKeys) -> String {
    keys.get().unwrap().active.kid().to_owned()
}

#[tokio::test]
async fn replicas_that_start_at_once_agree_on_one_key() {
    for backend in Backend::ALL {
        let keys = Keys::new(backend).await;
        let replicas: Vec<SigningKeys> = (0..6).map(|_| keys.replica(Algorithm::EdDsa)).collect();
        let loaded = futures_util::future::join_all(replicas.iter().map(|r| r.load(true))).await;
        assert!(loaded.iter().all(Result::is_ok), "{backend}: {loaded:?}");
        let first = active(&replicas[0]);
        assert!(replicas.iter().all(|r| active(r) == first), "{backend}");
        assert!(
            replicas.iter().all(|r| kids(r) == [first.clone()]),
            "{backend}"
        );
        let restarted = keys.replica(Algorithm::EdDsa);
        restarted.load(true).await.unwrap();
        assert_eq!(active(&restarted), first, "{backend}");
    }
}

#[tokio::test]
async fn another_algorithm_retires_the_key_and_keeps_it_published() {
    for backend in Backend::ALL {
        let keys = Keys::new(backend).await;
        let running = keys.replica(Algorithm::EdDsa);
        running.load(true).await.unwrap();
        let old = active(&running);
        let restarted: Vec<SigningKeys> = (0..4).map(|_| keys.replica(Algorithm::Es256)).collect();
        let loaded = futures_util::future::join_all(restarted.iter().map(|r| r.load(true))).await;
        assert!(loaded.iter().all(Result::is_ok), "{backend}: {loaded:?}");
        let new = active(&restarted[0]);
        assert!(restarted.iter().all(|r| active(r) == new), "{backend}");
        let mut both = vec![old.clone(), new.clone()];
        both.sort();
        assert_eq!(kids(&restarted[0]), both, "{backend}");
        // The replica that still runs follows, and does not turn it back.
        running.load(false).await.unwrap();
        assert_eq!(
            (active(&running), kids(&running)),
            (new.clone(), both),
            "{backend}"
        );
        // Until the last token of the old key has expired.
        keys.clock.advance(Duration::from_secs(960));
        running.load(false).await.unwrap();
        assert_eq!(kids(&running), [new], "{backend}");
    }
}

#[tokio::test]
async fn private_keys_are_sealed_in_the_database() {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        sealed_key: String,
    }
    for backend in Backend::ALL {
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
            let stranger = keys.replica_with(Algorithm::EdDsa, &ring);
            assert!(stranger.load(true).await.is_err(), "{backend}");
            assert!(stranger.get().is_err());
        }
        let ring = format!("{},{}", new_key_ring("k2"), text_of(&keys.ring))
            .parse()
            .unwrap();
        let turned = keys.replica_with(Algorithm::EdDsa, &ring);
        turned.load(true).await.unwrap();
        assert_eq!(active(&turned), active(&replica));
    }
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

#[actix_web::test]
async fn without_its_tables_the_service_starts_answers_503_and_recovers() {
    for backend in Backend::ALL {
        let world =
            World::start_with(backend, |config, _| config.database.auto_migrate = false).await;
        let unavailable = (503, "auth.keys-unavailable".to_owned());
        // A good token may be among them: nothing is answered with 401 now.
        for request in [
            world.ask(Method::GET, "/.well-known/jwks.json"),
            world
                .ask(Method::GET, "/api/v1/auth/validate")
                .bearer_auth("x"),
            world.post("/api/v1/auth/refresh", &json!({"refresh_token": "udr_x"})),
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
}
