//! `reseal` (SECURITY rule 30).

use testkit::new_key_ring;
use ud_config::{DatabaseConfig, KeyRing};
use ud_db::Db;
use ud_idempotency::{IdempotencyKeys, SERVER_KEY};
use ud_kernel::{Service, Timestamp};
use ud_seal::Sealer;
use user_profile_service::{
    ALL_MIGRATIONS,
    models::{idempotency_store, reseal_flow::reseal},
};

fn sealer(rings: &[&str]) -> Sealer {
    let ring: KeyRing = rings.join(",").parse().unwrap();
    Sealer::new(Service::Profile, ring)
}

#[tokio::test]
async fn the_server_key_is_sealed_anew() {
    for database in testkit::databases() {
        let options = DatabaseConfig::for_tests(&database.url).into();
        let db = Db::open(&options, Service::Profile).unwrap();
        db.migrate(&ALL_MIGRATIONS).await.unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let (old, new) = (new_key_ring("old"), new_key_ring("new"));
        assert!(
            !reseal(&db, &sealer(&[&new])).await.unwrap(),
            "there is none yet"
        );
        let candidate = IdempotencyKeys::new_sealed(&sealer(&[&old])).unwrap();
        let stored = candidate.clone();
        let store =
            db.tx(move |conn| idempotency_store::server_key(conn, SERVER_KEY, &stored, now));
        store.await.unwrap();
        let find = || db.read(|conn| idempotency_store::find_server_key(conn, SERVER_KEY));
        let id_under = |sealer: &Sealer, sealed: &str| {
            let keys = IdempotencyKeys::open(sealer, sealed).unwrap();
            keys.claim("operation", "a-key-of-a-client", &[], now).id
        };
        let before = id_under(&sealer(&[&old]), &candidate);

        assert!(
            reseal(&db, &sealer(&[&new])).await.is_err(),
            "the old key is missing"
        );
        assert_eq!(find().await.unwrap().as_ref(), Some(&candidate));
        let both = sealer(&[&new, &old]);
        assert!(reseal(&db, &both).await.unwrap());
        assert!(!reseal(&db, &both).await.unwrap());
        let sealed = find().await.unwrap().unwrap();
        assert_eq!(id_under(&sealer(&[&new]), &sealed), before, "the same key");
    }
}
