//! `reseal` (SECURITY rule 30).

use testkit::new_key_ring;
use ud_config::KeyRing;
use ud_idempotency::{IdempotencyKeys, SERVER_KEY};
use ud_kernel::Service;
use ud_seal::Sealer;
use user_audit_service::models::{key_store, reseal_flow::reseal};

use crate::world::World;

fn sealer(rings: &[&str]) -> Sealer {
    let ring: KeyRing = rings.join(",").parse().unwrap();
    Sealer::new(Service::Audit, ring)
}

#[tokio::test]
async fn the_server_key_is_sealed_anew() {
    for world in World::each().await {
        let (old, new) = (new_key_ring("old"), new_key_ring("new"));
        assert!(
            !reseal(&world.db, &sealer(&[&new])).await.unwrap(),
            "there is none yet"
        );
        let candidate = IdempotencyKeys::new_sealed(&sealer(&[&old])).unwrap();
        let (stored, now) = (candidate.clone(), world.clock.now());
        let store = world
            .db
            .tx(move |conn| key_store::server_key(conn, SERVER_KEY, &stored, now));
        store.await.unwrap();
        let find = || {
            world
                .db
                .read(|conn| key_store::find_server_key(conn, SERVER_KEY))
        };
        let id_under = |sealer: &Sealer, sealed: &str| {
            let keys = IdempotencyKeys::open(sealer, sealed).unwrap();
            keys.claim("operation", "a-key-of-a-client", &[], now).id
        };
        let before = id_under(&sealer(&[&old]), &candidate);

        assert!(
            reseal(&world.db, &sealer(&[&new])).await.is_err(),
            "the old key is missing"
        );
        assert_eq!(find().await.unwrap().as_ref(), Some(&candidate));
        let both = sealer(&[&new, &old]);
        assert!(reseal(&world.db, &both).await.unwrap());
        assert!(!reseal(&world.db, &both).await.unwrap());
        let sealed = find().await.unwrap().unwrap();
        assert_eq!(id_under(&sealer(&[&new]), &sealed), before, "the same key");
    }
}
