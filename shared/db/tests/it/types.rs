//! Ids, instants and nulls go in and come out the same on all three.

use rstest::rstest;
use ud_db::{Backend, StoreError};
use ud_kernel::{Timestamp, UserId};

use crate::{
    servers::Fresh,
    store::{self, MIGRATIONS, Thing},
};

fn thing(n: i64, millis: i64) -> Thing {
    let at = Timestamp::from_millis(millis);
    Thing {
        id: UserId::new(at),
        name: format!("thing {n}"),
        count: i64::MAX - n,
        active: n % 2 == 0,
        owner_id: (n % 2 == 0).then(|| UserId::new(at)),
        created_at: at,
        deleted_at: (n % 3 == 0).then_some(at),
    }
}

#[rstest]
#[tokio::test]
async fn what_was_stored_is_read(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = fresh.db();
    db.migrate(&[&MIGRATIONS]).await.unwrap();
    // Before 1970, before 2000 (PostgreSQL's epoch), a leap day, odd milliseconds, the far ends.
    let millis = [
        -30_610_224_000_000 + 1,
        -1,
        0,
        951_782_400_999,
        1_700_000_000_007,
        253_402_300_799_999,
    ];
    let things: Vec<Thing> = (0..).zip(millis).map(|(n, m)| thing(n, m)).collect();
    let stored = things.clone();
    let read: Vec<Thing> = db
        .tx(move |conn| {
            for thing in &stored {
                store::insert(conn, thing)?;
            }
            stored
                .iter()
                .map(|t| store::find(conn, t.id)?.ok_or(StoreError::NotFound))
                .collect::<Result<_, StoreError>>()
        })
        .await
        .unwrap();
    assert_eq!(read, things, "{backend}");

    let ids: Vec<UserId> = things.iter().map(|t| t.id).take(3).collect();
    let mut expected = things[..3].to_vec();
    expected.sort_by_key(|t| t.id);
    let found = db
        .read(move |conn| store::find_all(conn, &ids))
        .await
        .unwrap();
    assert_eq!(found, expected, "{backend}: eq_any, order by id");
}
