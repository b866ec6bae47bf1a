//! A store of sessions restored from an earlier state (a backup, a replica that had not everything).

use std::{fs, path::Path, time::Duration};

use rstest::rstest;
use session_service::{StoreConfig, models::redis::store::RedisSettings};
use ud_kernel::models::SessionState;

use crate::{
    ground::{
        Ground,
        Store::{self, Redis, Sqlite},
        connect,
    },
    waiting::until,
    world::World,
};

const MINUTE: Duration = Duration::from_secs(60);

/// All that session keeps, as it was.
enum Backup {
    Redis(Vec<(Vec<u8>, Vec<u8>, i64)>),
    Sqlite(tempfile::TempDir),
}

impl Backup {
    /// Of SQLite while the service is stopped.
    fn of(ground: &Ground) -> Self {
        match &ground.sessions {
            StoreConfig::Redis(settings) => Self::Redis(dump(settings)),
            StoreConfig::Sqlite(_) => {
                let folder = tempfile::tempdir().unwrap();
                copy(ground.folder(), folder.path());
                Self::Sqlite(folder)
            }
        }
    }

    fn restore(&self, ground: &Ground) {
        match (self, &ground.sessions) {
            (Self::Redis(keys), StoreConfig::Redis(settings)) => restore(settings, keys),
            (Self::Sqlite(from), _) => {
                for file in fs::read_dir(ground.folder()).unwrap() {
                    fs::remove_file(file.unwrap().path()).unwrap();
                }
                copy(from.path(), ground.folder());
            }
            (Self::Redis(_), StoreConfig::Sqlite(_)) => panic!("another kind of store"),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn keys_of(settings: &RedisSettings) -> Vec<Vec<u8>> {
    let pattern = format!("{}:*", settings.namespace);
    let mut keys = redis::cmd("KEYS");
    keys.arg(pattern).query(&mut connect(settings)).unwrap()
}

fn dump(settings: &RedisSettings) -> Vec<(Vec<u8>, Vec<u8>, i64)> {
    let mut connection = connect(settings);
    let keys = keys_of(settings).into_iter().map(|key| {
        let dump = redis::cmd("DUMP").arg(&key).query(&mut connection).unwrap();
        let ttl: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
        (key, dump, ttl.max(0))
    });
    keys.collect()
}

fn restore(settings: &RedisSettings, keys: &[(Vec<u8>, Vec<u8>, i64)]) {
    let mut all = redis::pipe();
    all.atomic();
    for key in keys_of(settings) {
        all.cmd("DEL").arg(key);
    }
    for (key, dump, ttl) in keys {
        all.cmd("RESTORE").arg(key).arg(ttl).arg(dump);
    }
    all.exec(&mut connect(settings)).unwrap();
}

/// Nothing was closed meanwhile, and every process has forgotten all: the counter alone tells.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_token_of_the_future_closes_the_session(#[case] store: Store) {
    for ahead in [1, 3] {
        let mut world = World::start(store).await;
        let email = world.register_ada().await;
        let other = world.log_in(1, email).await;
        let first = world.log_in(0, email).await;
        let known = world.refresh(0, &first.refresh).await.tokens();
        let mut backup = None;
        let save = |ground: &Ground| backup = Some(Backup::of(ground));
        world.restart_all_after(save).await;
        let mut newest = known.clone();
        for _ in 0..ahead {
            world.advance(MINUTE);
            newest = world.refresh(1, &newest.refresh).await.tokens();
        }
        let backup = backup.unwrap();
        world
            .restart_all_after(|ground| backup.restore(ground))
            .await;

        world.advance(MINUTE);
        world.refresh(0, &newest.refresh).await.refused();
        let events = world.ground.events().await;
        assert_eq!(
            events,
            ["user_logged_in", "user_logged_in", "session_closed"]
        );
        // Neither what the store thought current nor what was is good any more.
        for tokens in [&known, &first, &newest] {
            world.refresh(1, &tokens.refresh).await.refused();
            assert_eq!(world.state(0, tokens).await, SessionState::Closed);
        }
        // Who had not moved on goes on.
        let _ = world.refresh(0, &other.refresh).await.tokens();
    }
}

/// Restored to before the login: the session is not there, and is not made.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_session_the_store_does_not_know_is_closed(#[case] store: Store) {
    let mut world = World::start(store).await;
    let email = world.register_ada().await;
    let before = world.log_in(0, email).await;
    let mut backup = None;
    let save = |ground: &Ground| backup = Some(Backup::of(ground));
    world.restart_all_after(save).await;
    let lost = world.log_in(0, email).await;
    let backup = backup.unwrap();
    world
        .restart_all_after(|ground| backup.restore(ground))
        .await;
    world.refresh(0, &lost.refresh).await.refused();
    assert_eq!(world.state(0, &lost).await, SessionState::Closed);
    assert_eq!(world.ground.events().await, ["user_logged_in"]);
    let _ = world.refresh(0, &before.refresh).await.tokens();
}

/// A logout is undone by the restore, auth has seen it: everything of before ends, and nobody refreshes.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_logout_that_was_undone_ends_everything(#[case] store: Store) {
    let mut world = World::start(store).await;
    let email = world.register_ada().await;
    let (kept, closed) = (world.log_in(0, email).await, world.log_in(0, email).await);
    let backup = world.with_session_stopped(Backup::of).await;
    assert_eq!(world.log_out(0, &closed).await.status, 204);
    for i in [0, 1] {
        let by_feed = async || {
            let refused = world.validate(i, &closed.access);
            world.follows(i).await && refused.await.status == 401 && world.follows(i).await
        };
        until("auth has seen the logout in the feed", by_feed).await;
    }
    world
        .with_session_stopped(|ground| backup.restore(ground))
        .await;
    let over = async || world.validate(0, &kept.access).await.status == 401;
    until("the store begins anew", over).await;
    for i in [0, 1] {
        for tokens in [&closed, &kept] {
            world.refresh(i, &tokens.refresh).await.refused();
        }
    }
    let new = world.log_in(0, email).await;
    assert_ne!(new.claims()["inc"], kept.claims()["inc"]);
    let _ = world.refresh(1, &new.refresh).await.tokens();
}
