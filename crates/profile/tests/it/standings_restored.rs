//! Profile and role agree again after one of their databases was restored, or upgraded.

use reqwest::StatusCode;
use rstest::rstest;
use testkit::Backend;
use ud_kernel::models::Standing;
use user_profile_service::models::{
    user::{User, UserStatus},
    user_store,
};

use crate::{
    acting::{delete, post},
    standings::{left, standing, standings, stored, told},
    world::World,
};

/// Profile's database was restored from before what role knows: it catches up.
#[rstest]
#[tokio::test]
async fn a_later_standing_at_role_is_caught_up_with(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let boss = world.stranger();
    let ahead = standing(Standing::Active, 40);
    let id = ada.to_string();
    world.role.state().standings.insert(id, ahead);
    let answer = post(&world, boss, &["users:write"], ada, "suspend").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(told(&world, ada), Some(standing(Standing::Inactive, 41)));
}

/// An upgrade of a database in which somebody is suspended: role learns of it.
#[rstest]
#[tokio::test]
async fn those_suspended_before_are_told_to_role_after_the_upgrade(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    world.register_email("bob@example.org").await;
    let suspend = move |conn: &mut ud_db::DbConn| {
        let old = user_store::find(conn, ada)?.unwrap();
        let user = User {
            status: UserStatus::Suspended,
            version: old.version + 1,
            ..old.clone()
        };
        user_store::set_status(conn, &user, old.version)
    };
    assert!(world.db.tx(suspend).await.unwrap());
    // The migration that does it, once more.
    let reverted = world
        .db
        .revert_last(&user_profile_service::ALL_MIGRATIONS)
        .await;
    assert!(reverted.unwrap().is_some());
    let applied = world.db.migrate(&[&user_profile_service::MIGRATIONS]).await;
    assert_eq!(applied.unwrap().len(), 1);
    standings(&world).sweep().await.unwrap();
    assert_eq!(told(&world, ada), Some(standing(Standing::Inactive, 2)));
    assert_eq!(left(&world, ada).await, None);
    assert_eq!(stored(&world, ada).await.version, 2);
}

/// Role's database was restored from before what it was told: the next start of profile tells it again.
#[rstest]
#[tokio::test]
async fn a_role_that_went_back_is_told_again(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let (ada, bob) = (
        world.register_email("ada@example.org").await,
        world.register_email("bob@example.org").await,
    );
    let carol = world.register_email("carol@example.org").await;
    let boss = world.stranger();
    let answer = post(&world, boss, &["users:write"], ada, "suspend").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        delete(&world, bob, &[], bob).await.status(),
        StatusCode::NO_CONTENT
    );
    world.role.state().standings.clear();
    assert_eq!(standings(&world).recall().await.unwrap(), 2);
    while standings(&world).sweep().await.unwrap() > 0 {}
    for user in [ada, bob] {
        assert_eq!(told(&world, user), Some(standing(Standing::Inactive, 2)));
        assert_eq!(left(&world, user).await, None);
    }
    assert_eq!(told(&world, carol), None);
}

/// Role holds something else, of the same sequence or beyond: profile says it again with a later one.
#[rstest]
#[tokio::test]
async fn what_role_holds_beyond_is_overtaken(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let boss = world.stranger();
    for (held, verb, state) in [
        (
            standing(Standing::Inactive, 7),
            "reactivate",
            Standing::Active,
        ),
        (
            standing(Standing::Reserved, 30),
            "reactivate",
            Standing::Active,
        ),
        (
            standing(Standing::Active, 60),
            "suspend",
            Standing::Inactive,
        ),
        (
            standing(Standing::Active, 90),
            "suspend",
            Standing::Inactive,
        ),
    ] {
        world.role.state().standings.insert(ada.to_string(), held);
        let answer = post(&world, boss, &["users:write"], ada, verb).await;
        assert_eq!(answer.status(), StatusCode::OK, "{held:?}");
        let now = told(&world, ada).unwrap();
        assert_eq!(now.state, state, "{held:?}");
        assert!(now.sequence > held.sequence, "{held:?}: {now:?}");
        let user = stored(&world, ada).await;
        assert!(user.version >= now.sequence, "{held:?}");
        assert_eq!(left(&world, ada).await, None, "{held:?}");
    }
}
