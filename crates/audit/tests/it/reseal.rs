//! `reseal` (SECURITY rule 30).

use testkit::new_key_ring;
use ud_config::KeyRing;
use ud_idempotency::{IdempotencyKeys, ServerKeyError};
use ud_kernel::Service;
use ud_seal::Sealer;

use crate::world::World;

fn sealer(rings: &[&str]) -> Sealer {
    let ring: KeyRing = rings.join(",").parse().unwrap();
    Sealer::new(Service::Audit, ring)
}

#[tokio::test]
async fn the_server_key_is_sealed_anew() {
    for world in World::each().await {
        let now = world.clock.now();
        let (old, new) = (new_key_ring("old"), new_key_ring("new"));
        let reseal =
            async |rings: &[&str]| IdempotencyKeys::reseal(&world.db, &sealer(rings)).await;
        let id_under = async |rings: &[&str]| {
            let keys = IdempotencyKeys::load(&world.db, &sealer(rings), now).await?;
            let claim = keys.claim("operation", "a-key-of-a-client", &[], now);
            Ok::<_, ServerKeyError>(claim.id)
        };
        assert!(!reseal(&[&new]).await.unwrap(), "there is none yet");
        let before = id_under(&[&old]).await.unwrap();
        assert!(reseal(&[&new]).await.is_err(), "the old key is missing");
        assert!(id_under(&[&new]).await.is_err());
        assert_eq!(id_under(&[&old]).await.unwrap(), before, "nothing changed");
        assert!(reseal(&[&new, &old]).await.unwrap());
        assert!(!reseal(&[&new, &old]).await.unwrap());
        assert_eq!(id_under(&[&new]).await.unwrap(), before, "the same key");
        assert!(id_under(&[&old]).await.is_err());
    }
}
