//! Registrations nobody came back for.

use std::time::Duration;

use reqwest::StatusCode;
use rstest::rstest;
use testkit::Backend;
use user_profile_service::models::{GIVEN_UP_AFTER, ProfileError, Swept, user::UserStatus};

use crate::world::World;

#[rstest]
#[tokio::test]
async fn auth_decides_what_becomes_of_a_pending_user(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let sweeper = world.sweeper();
    world.auth.state().is_down = true;
    world
        .registration("never@example.org")
        .send()
        .await
        .unwrap();
    let never = world.stored_ids().await[0];
    {
        let mut auth = world.auth.state();
        (auth.is_down, auth.loses_answers) = (false, true);
    }
    world
        .registration("stored@example.org")
        .send()
        .await
        .unwrap();
    let stored = world
        .stored_ids()
        .await
        .into_iter()
        .find(|id| *id != never)
        .unwrap();
    world.auth.state().loses_answers = false;

    assert_eq!(
        sweeper.sweep().await.unwrap(),
        Swept::default(),
        "too early"
    );
    world
        .clock
        .advance(GIVEN_UP_AFTER + Duration::from_millis(1));
    world.auth.state().is_down = true;
    assert!(matches!(sweeper.sweep().await, Err(ProfileError::Peer(_))));
    world.auth.state().is_down = false;
    assert_eq!(
        sweeper.sweep().await.unwrap(),
        Swept {
            completed: 1,
            removed: 1
        }
    );
    assert_eq!(world.stored_ids().await, [stored]);
    assert_eq!(
        world.stored(stored).await.unwrap().status,
        UserStatus::Active
    );
    assert_eq!(world.events_about(stored).await.len(), 1);
    assert_eq!(sweeper.sweep().await.unwrap(), Swept::default());
    let again = world
        .registration("never@example.org")
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::CREATED);
}
