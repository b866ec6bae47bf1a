//! Sources that logins came from.

use std::time::Duration;

use auth_service::{models::schema::account_places, tasks::forget_once};
use diesel::prelude::*;
use rstest::rstest;
use testkit::Backend;
use ud_db::{StoreError, sql::Bind};
use ud_kernel::{Timestamp, UserId};

use crate::{
    attempts::{attempt, set_status, strangers},
    world::{OTHER_PASSWORD, PASSWORD, World, read},
};

const ADA: &str = "ada@example.com";
const HOME: &str = "203.0.113.77";
const DAY: Duration = Duration::from_secs(86_400);

/// Network, kind, epoch and time of each place of a user.
async fn stored(world: &World, user: UserId) -> Vec<(String, String, i64, Timestamp)> {
    let find = move |c: &mut ud_db::DbConn| {
        account_places::table
            .filter(account_places::user_id.eq(Bind(user)))
            .order(account_places::kind)
            .select((
                account_places::network,
                account_places::kind,
                account_places::epoch,
                account_places::seen_at,
            ))
            .load(c)
            .map_err(StoreError::from)
    };
    world.db.read(find).await.unwrap()
}

#[rstest]
#[actix_web::test]
async fn a_place_is_evidence_for_thirty_days_and_no_address_is_stored(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let ada = world.register(ADA).await;
    assert_eq!(attempt(ADA, PASSWORD, HOME).status(&world).await, 200);
    let rows = stored(&world, ada).await;
    let kinds: Vec<_> = rows.iter().map(|row| row.1.as_str()).collect();
    assert_eq!(kinds, ["exact", "wide"], "{backend}");
    for (network, ..) in &rows {
        assert_eq!(network.len(), 43, "an HMAC");
        assert!(!network.contains("203"));
    }
    world.clock.advance(30 * DAY - Duration::from_secs(60));
    strangers(&world, ADA, 198, 52).await;
    assert_eq!(
        attempt(ADA, PASSWORD, "203.0.113.78").status(&world).await,
        429
    );
    assert_eq!(
        attempt(ADA, PASSWORD, HOME).status(&world).await,
        200,
        "{backend}"
    );
    assert_eq!(stored(&world, ada).await.len(), 2, "{backend}: seen again");
    world.clock.advance(30 * DAY);
    strangers(&world, ADA, 199, 52).await;
    assert_eq!(
        attempt(ADA, PASSWORD, HOME).status(&world).await,
        429,
        "{backend}"
    );
    // Of what is no evidence any more the wide network stays, for mails.
    forget_once(&world.other_process()).await.unwrap();
    let rows = stored(&world, ada).await;
    assert_eq!(rows.len(), 1, "{backend}");
    assert_eq!(rows[0].1, "wide");
    world.clock.advance(60 * DAY);
    forget_once(&world.other_process()).await.unwrap();
    assert_eq!(stored(&world, ada).await, [], "{backend}");
}

#[rstest]
#[actix_web::test]
async fn only_a_completed_login_makes_a_place_known(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let ada = world.register(ADA).await;
    assert_eq!(attempt(ADA, "wrong", HOME).status(&world).await, 401);
    set_status(&world, ada, "suspended", 5).await;
    assert_eq!(attempt(ADA, PASSWORD, HOME).status(&world).await, 403);
    assert_eq!(stored(&world, ada).await, [], "{backend}");
    set_status(&world, ada, "active", 6).await;
    assert_eq!(attempt(ADA, PASSWORD, HOME).status(&world).await, 200);
    assert_eq!(stored(&world, ada).await.len(), 2);
    // Raising the epoch ends it as evidence; a login there makes it known again.
    set_status(&world, ada, "suspended", 7).await;
    set_status(&world, ada, "active", 8).await;
    assert_eq!(
        stored(&world, ada).await.len(),
        2,
        "{backend}: kept for mails"
    );
    strangers(&world, ADA, 198, 52).await;
    assert_eq!(
        attempt(ADA, PASSWORD, HOME).status(&world).await,
        429,
        "{backend}"
    );
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(
        attempt(ADA, PASSWORD, HOME).status(&world).await,
        200,
        "{backend}"
    );
    strangers(&world, ADA, 199, 3).await;
    assert_eq!(
        attempt(ADA, PASSWORD, HOME).status(&world).await,
        200,
        "{backend}"
    );
    set_status(&world, ada, "deleted", 9).await;
    assert_eq!(
        stored(&world, ada).await,
        [],
        "{backend}: gone with the account"
    );
}

#[rstest]
#[actix_web::test]
async fn a_changed_password_makes_its_source_known(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.register(ADA).await;
    let tokens = world.login(ADA, PASSWORD).await;
    let change = world
        .change_password(&tokens, PASSWORD, OTHER_PASSWORD)
        .header("x-forwarded-for", HOME);
    assert_eq!(read(change).await.0, 200);
    strangers(&world, ADA, 198, 52).await;
    let here = attempt(ADA, OTHER_PASSWORD, HOME);
    assert_eq!(here.status(&world).await, 200, "{backend}");
    // Where the earlier login came from is not known any more.
    let before = attempt(ADA, OTHER_PASSWORD, "127.0.0.1");
    assert_eq!(before.status(&world).await, 429, "{backend}");
}

#[actix_web::test]
async fn a_user_has_fifty_places_of_a_kind() {
    let world = World::start(Backend::Sqlite).await;
    let ada = world.register(ADA).await;
    for n in 0..60 {
        let place = attempt(ADA, PASSWORD, &format!("203.0.{n}.1"));
        assert_eq!(place.status(&world).await, 200);
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(stored(&world, ada).await.len(), 100);
    strangers(&world, ADA, 198, 52).await;
    assert_eq!(
        attempt(ADA, PASSWORD, "203.0.9.1").status(&world).await,
        429,
        "the oldest went"
    );
    assert_eq!(
        attempt(ADA, PASSWORD, "203.0.10.1").status(&world).await,
        200
    );
}

#[rstest]
#[actix_web::test]
async fn a_time_ahead_makes_no_place_known_for_ever(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let ada = world.register(ADA).await;
    assert_eq!(attempt(ADA, PASSWORD, HOME).status(&world).await, 200);
    let ahead = world.clock.now().plus(365 * DAY);
    let set = move |c: &mut ud_db::DbConn| {
        let set = diesel::update(account_places::table);
        let set = set.set(account_places::seen_at.eq(Bind(ahead)));
        set.execute(c).map_err(StoreError::from)
    };
    world.db.tx(set).await.unwrap();
    forget_once(&world.other_process()).await.unwrap();
    let now = world.clock.now();
    let rows = stored(&world, ada).await;
    assert!(rows.iter().all(|row| row.3 == now), "{backend}: {rows:?}");
    assert_eq!(rows.len(), 2);
}
