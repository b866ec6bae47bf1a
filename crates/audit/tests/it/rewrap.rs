//! The key under Idempotency-Keys: `rewrap`, and a ring that does not open it (SECURITY rule 30).

use rstest::rstest;
use testkit::Backend;
use testkit::new_key_ring;
use ud_config::KeyRing;
use ud_idempotency::{IdempotencyKeys, ServerKey, ServerKeyError};
use ud_kernel::Service;
use ud_seal::Sealer;

use crate::world::World;

fn sealer(rings: &[&str]) -> Sealer {
    let ring: KeyRing = rings.join(",").parse().unwrap();
    Sealer::new(Service::Audit, ring)
}

#[rstest]
#[tokio::test]
async fn the_server_key_is_rewrapped(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let now = world.clock.now();
    let (old, new) = (new_key_ring("old"), new_key_ring("new"));
    let rewrap = async |rings: &[&str]| IdempotencyKeys::rewrap(&world.db, &sealer(rings)).await;
    let id_under = async |rings: &[&str]| {
        let keys = IdempotencyKeys::load(&world.db, &sealer(rings), now).await?;
        let record = keys.record("operation", "a-key-of-a-client", &[], now);
        Ok::<_, ServerKeyError>(record.id)
    };
    assert!(!rewrap(&[&new]).await.unwrap(), "there is none yet");
    let before = id_under(&[&old]).await.unwrap();
    assert!(rewrap(&[&new]).await.is_err(), "the old key is missing");
    assert!(id_under(&[&new]).await.is_err());
    assert_eq!(id_under(&[&old]).await.unwrap(), before, "nothing changed");
    assert!(rewrap(&[&new, &old]).await.unwrap());
    assert!(!rewrap(&[&new, &old]).await.unwrap());
    assert_eq!(id_under(&[&new]).await.unwrap(), before, "the same key");
    assert!(id_under(&[&old]).await.is_err());
}

#[rstest]
#[tokio::test]
async fn a_server_key_that_does_not_open_is_told_until_it_does(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let (old, new) = (new_key_ring("old"), new_key_ring("new"));
    let key = |ring: &str| {
        let (db, clock) = (world.db.clone(), world.clock.clone());
        ServerKey::new(db, sealer(&[ring]), clock)
    };
    let (early, late) = (key(&new), key(&new));
    assert!(early.state().is_err(), "nobody has looked");
    early.open().await.unwrap();
    assert_eq!(early.state(), Ok(()), "there is none yet, and none is made");
    let right = key(&old);
    let _ = right.get().await.unwrap();
    assert_eq!(right.state(), Ok(()));
    // The ring of `new` does not open it, whoever looks, and when.
    for wrong in [&early, &late] {
        assert!(wrong.get().await.is_err());
        assert!(matches!(wrong.open().await, Err(ServerKeyError::Seal(_))));
        let state = wrong.state().unwrap_err();
        assert!(state.contains("KEY_ENCRYPTION_KEYS"), "{state}");
    }
    let both = sealer(&[&new, &old]);
    let (opened, rewrapped) = tokio::join!(
        late.keep_opening(std::future::pending()),
        IdempotencyKeys::rewrap(&world.db, &both)
    );
    assert_eq!((opened, rewrapped.unwrap()), ((), true));
    assert_eq!(late.state(), Ok(()));
    let _ = late.get().await.unwrap();
    // A stop ends the waiting.
    right.keep_opening(std::future::ready(())).await;
    let wrong = key(&old);
    wrong.keep_opening(std::future::ready(())).await;
    assert!(wrong.state().is_err());
}
