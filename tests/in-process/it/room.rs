//! Rights that do not fit into an access token, on the session stores there are: no session is made, no chain moves.

use std::time::Duration;

use rstest::rstest;

use crate::{
    ground::Store::{self, Redis, Sqlite},
    seen::Seen,
    world::World,
};

/// Far above what role lets anybody have.
fn too_many() -> Vec<String> {
    (0..99)
        .map(|i| format!("{}:v{i:03}", "x".repeat(32)))
        .collect()
}

#[track_caller]
fn is_refused(seen: &Seen) {
    assert_eq!(
        (seen.status, seen.body["code"].as_str()),
        (409, Some("auth.token-too-long")),
        "{seen:?}"
    );
}

#[rstest]
#[case::redis(Redis)]
#[case::sqlite(Sqlite)]
#[actix_web::test]
async fn rights_that_do_not_fit_open_no_session_and_move_no_chain(#[case] store: Store) {
    let world = World::start(store).await;
    let ada = world.register_ada().await;
    let too_many = too_many();
    let too_many: Vec<&str> = too_many.iter().map(String::as_str).collect();

    world.role.holds(&too_many);
    is_refused(&world.try_log_in(0, ada).await);
    assert!(world.ground.events().await.is_empty(), "no session");

    world.role.holds(&[]);
    let tokens = world.log_in(0, ada).await;
    let events = world.ground.events().await;
    world.role.holds(&too_many);
    // Any other repetition after ten seconds is reuse, which closes the session.
    for auth in [0, 1, 0, 1] {
        is_refused(&world.refresh(auth, &tokens.refresh).await);
        is_refused(&world.reauthenticate(auth, &tokens, "192.0.2.1").await);
        world.advance(Duration::from_secs(60));
    }
    assert_eq!(world.ground.events().await, events);

    world.role.holds(&[]);
    let next = world.refresh(1, &tokens.refresh).await.tokens();
    assert_eq!(next.session, tokens.session);
    world.refresh(0, &next.refresh).await.tokens();
    assert_eq!(world.ground.events().await, events, "nothing was reuse");
}
