//! `rewrap` (SECURITY rule 30).

use rstest::rstest;
use testkit::new_key_ring;
use testkit::{Backend, TestDatabase};
use ud_config::KeyRing;
use ud_db::Db;
use ud_idempotency::{IdempotencyKeys, ServerKeyError};
use ud_kernel::{Service, Timestamp};
use ud_seal::Sealer;
use user_profile_service::ALL_MIGRATIONS;

fn sealer(rings: &[&str]) -> Sealer {
    let ring: KeyRing = rings.join(",").parse().unwrap();
    Sealer::new(Service::Profile, ring)
}

#[rstest]
#[tokio::test]
async fn the_server_key_is_rewrapped(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    let options = testkit::database_config(&database.url);
    let db = Db::open(&options, Service::Profile).unwrap();
    db.migrate(&ALL_MIGRATIONS).await.unwrap();
    let now = Timestamp::from_secs(1_800_000_000);
    let (old, new) = (new_key_ring("old"), new_key_ring("new"));
    let rewrap = async |rings: &[&str]| IdempotencyKeys::rewrap(&db, &sealer(rings)).await;
    let id_under = async |rings: &[&str]| {
        let keys = IdempotencyKeys::load(&db, &sealer(rings), now).await?;
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
