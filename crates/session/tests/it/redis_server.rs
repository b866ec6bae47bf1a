//! What depends on the Redis server itself: `kill -9`, emptied, gone, wrongly configured.

use futures_util::future::join_all;
use session_service::{
    StoreConfig,
    models::{
        error::SessionError,
        redis::{connection::Unfit, outbox::RedisOutbox},
        session::Refusal,
        session_store::{CloseOrder, Closing, SessionStore as _},
    },
};
use testkit::RedisServer;
use ud_config::Durability;
use ud_db::StoreError;
use ud_kernel::{Clock, SessionId, UserId, models::SessionState};

use crate::{
    app::try_start,
    support::{
        START, create, millis, origin, redis_settings, redis_store, refusal, rotation, secs,
        take_all, token, user,
    },
};

/// Changes the server's configuration, until it is restarted.
fn set(server: &RedisServer, name: &str, value: &str) {
    redis::cmd("CONFIG")
        .arg("SET")
        .arg(name)
        .arg(value)
        .exec(&mut connect(server))
        .unwrap();
}

fn connect(server: &RedisServer) -> redis::Connection {
    redis::Client::open(server.url())
        .unwrap()
        .get_connection()
        .unwrap()
}

fn order(user_id: UserId, closing: Closing) -> CloseOrder {
    CloseOrder {
        user_id,
        closing,
        origin: origin(),
        now: START,
    }
}

#[tokio::test]
async fn what_was_answered_survives_kill_9() {
    let mut server = RedisServer::start();
    let store = redis_store(&redis_settings(&server.url(), Durability::Fsync));
    store.fitness().await.unwrap();
    let user = user();
    for round in 0..3 {
        let (kept, closed) = (SessionId::new(START), SessionId::new(START));
        let kept = store.create(kept, create(user, START)).await.unwrap().grant;
        let next = store
            .rotate(rotation(&kept, user, START.plus(secs(1))))
            .await
            .unwrap();
        let closed = store
            .create(closed, create(user, START))
            .await
            .unwrap()
            .grant;
        assert_eq!(
            store
                .close(order(user, Closing::One(closed.session_id)))
                .await
                .unwrap(),
            1
        );
        server.kill();
        server.restart();
        // The first use finds the old connections dead, and is repeated on a new one.
        let state = store
            .state(closed.session_id, token(&closed, user), START)
            .await
            .unwrap();
        assert_eq!(state, SessionState::Closed, "round {round}");
        let again = store.create(closed.session_id, create(user, START)).await;
        assert_eq!(refusal(again), Refusal::Closed);
        let state = store
            .state(kept.session_id, token(&kept, user), START)
            .await
            .unwrap();
        assert_eq!(state, SessionState::Good);
        let third = store
            .rotate(rotation(&next, user, START.plus(secs(2))))
            .await
            .unwrap();
        assert_eq!((third.counter, third.incarnation), (3, kept.incarnation));
    }
    let events = take_all(&RedisOutbox::new(&store, Clock::manual(START))).await;
    assert_eq!(events.len(), 9, "two logins and a close each round");
}

#[tokio::test]
async fn a_store_found_empty_starts_a_new_incarnation() {
    let server = RedisServer::start();
    let store = redis_store(&redis_settings(&server.url(), Durability::Lossy));
    let user = user();
    let old = store
        .create(SessionId::new(START), create(user, START))
        .await
        .unwrap()
        .grant;
    redis::cmd("FLUSHALL").exec(&mut connect(&server)).unwrap();
    let state = store
        .state(old.session_id, token(&old, user), START)
        .await
        .unwrap();
    assert_eq!(state, SessionState::Closed);
    // The very same session again: its old tokens stay dead.
    let new = store
        .create(old.session_id, create(user, START))
        .await
        .unwrap()
        .grant;
    assert_ne!(new.incarnation, old.incarnation);
    let state = store
        .state(old.session_id, token(&old, user), START)
        .await
        .unwrap();
    assert_eq!(state, SessionState::Closed);
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_until_it_returns() {
    let mut server = RedisServer::start();
    let store = redis_store(&redis_settings(&server.url(), Durability::Fsync));
    let user = user();
    let grant = store
        .create(SessionId::new(START), create(user, START))
        .await
        .unwrap()
        .grant;
    server.kill();
    let error = store
        .rotate(rotation(&grant, user, START))
        .await
        .unwrap_err();
    let is_unavailable = matches!(
        error,
        SessionError::Store(StoreError::Unavailable(_) | StoreError::Timeout(_))
    );
    assert!(is_unavailable, "{error}");
    assert!(store.check().await.is_err());
    server.restart();
    store.check().await.unwrap();
    assert_eq!(
        store
            .rotate(rotation(&grant, user, START))
            .await
            .unwrap()
            .counter,
        2
    );
}

#[tokio::test]
async fn a_server_that_would_lose_sessions_is_unfit() {
    let server = RedisServer::start();
    let declared = |durability| redis_store(&redis_settings(&server.url(), durability));
    declared(Durability::Fsync).fitness().await.unwrap();
    set(&server, "appendfsync", "everysec");
    let unfit = declared(Durability::Fsync).fitness().await;
    assert!(matches!(unfit, Err(Unfit::Configuration(_))));
    declared(Durability::Lossy).fitness().await.unwrap();

    set(&server, "maxmemory-policy", "allkeys-lru");
    let store = declared(Durability::Lossy);
    assert!(matches!(
        store.fitness().await,
        Err(Unfit::Configuration(_))
    ));
    assert!(store.check().await.is_err());
    set(&server, "maxmemory-policy", "noeviction");
    store.check().await.unwrap();

    // Nobody replicates: what was promised cannot be kept, and a close says so.
    let store = declared(Durability::Replicated);
    assert!(matches!(store.fitness().await, Err(Unfit::Unreachable(_))));
    let user = user();
    let grant = store
        .create(SessionId::new(START), create(user, START))
        .await
        .unwrap()
        .grant;
    let one = order(user, Closing::One(grant.session_id));
    assert!(store.close(one).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn production_does_not_start_on_a_redis_that_would_lose_sessions() {
    let server = RedisServer::start();
    let start = |durability| {
        try_start(StoreConfig::Redis(redis_settings(
            &server.url(),
            durability,
        )))
    };
    start(Durability::Fsync).await.unwrap();
    set(&server, "appendfsync", "everysec");
    assert_eq!(start(Durability::Fsync).await.map(drop), Err(78));
    start(Durability::Lossy).await.unwrap();
    set(&server, "maxmemory-policy", "volatile-ttl");
    assert_eq!(start(Durability::Lossy).await.map(drop), Err(78));
    // One that is away may come.
    drop(server);
    let gone = redis_settings(
        &format!("redis://127.0.0.1:{}", testkit::free_port()),
        Durability::Fsync,
    );
    try_start(StoreConfig::Redis(gone)).await.unwrap();
}

#[tokio::test]
async fn two_replicas_give_one_successor() {
    let settings = redis_settings(&testkit::redis_url(), Durability::Lossy);
    let replicas = [redis_store(&settings), redis_store(&settings)];
    let user = user();
    let grant = replicas[0]
        .create(SessionId::new(START), create(user, START))
        .await
        .unwrap()
        .grant;
    let rotations = (0..64).map(|i| {
        let now = START.plus(secs(60)).plus(millis(500 * (i as u64 / 2 % 2)));
        replicas[i % 2].rotate(rotation(&grant, user, now))
    });
    let granted = join_all(rotations).await;
    let first = granted[0].as_ref().unwrap();
    assert!(granted.iter().all(|g| g.as_ref().unwrap() == first));
    assert_eq!(first.counter, 2);
}

/// As in production, where no test has its hand in the place of the server's clock: auth's replicas are five minutes apart,
/// and one of them an hour ahead.
#[tokio::test]
async fn the_servers_own_clock_decides_what_was_just_now() {
    let mut settings = redis_settings(&testkit::redis_url(), Durability::Lossy);
    settings.hand = None;
    let store = redis_store(&settings);
    let (user, now) = (user(), Clock::system().now());
    let ahead = now.plus(secs(3600));
    let id = SessionId::new(now);
    let grant = store.create(id, create(user, ahead)).await.unwrap().grant;
    let latest = Clock::system().now();
    assert!(
        (now..=latest).contains(&grant.authenticated_at),
        "{grant:?}"
    );
    let mut granted = Vec::new();
    for apart in [0, 300, 3600, 300] {
        let mut request = rotation(&grant, user, now.plus(secs(apart)));
        request.privileged = true;
        granted.push(store.rotate(request).await.unwrap());
    }
    assert!(granted.iter().all(|g| g == &granted[0]));
    let found = store.find(id, now).await.unwrap().unwrap();
    let rotated = found.rotations.of(2, 1).unwrap();
    assert!(
        (now..=Clock::system().now()).contains(&rotated),
        "{rotated}"
    );
}

#[tokio::test]
async fn a_replica_confirms_each_close() {
    let (primary, mut replica) = (RedisServer::start(), RedisServer::start());
    set(&primary, "repl-diskless-sync-delay", "0");
    // A replica's confirmation says that it has the write, not that it is on a disk: where other tests keep the disk
    // busy, an fsync of either server can outlast the time a close waits for the confirmation.
    for server in [&primary, &replica] {
        set(server, "appendonly", "no");
    }
    let mut follow = redis::cmd("REPLICAOF");
    follow
        .arg("127.0.0.1")
        .arg(primary.port())
        .exec(&mut connect(&replica))
        .unwrap();
    // The first write the replica confirms says that it has caught up.
    let mut connection = connect(&primary);
    redis::cmd("SET")
        .arg("x")
        .arg(1)
        .exec(&mut connection)
        .unwrap();
    let confirmed: u32 = redis::cmd("WAIT")
        .arg(1)
        .arg(20_000)
        .query(&mut connection)
        .unwrap();
    assert_eq!(confirmed, 1);
    let store = redis_store(&redis_settings(&primary.url(), Durability::Replicated));
    store.fitness().await.unwrap();
    let user = user();
    let grant = store
        .create(SessionId::new(START), create(user, START))
        .await
        .unwrap()
        .grant;
    // On a machine whose processor or disk is busy with other tests a confirmation can be late: then the close is
    // answered as not done, and asked for again, as any caller does.
    let is_late =
        |error: &SessionError| matches!(error, SessionError::Store(StoreError::Unavailable(_)));
    let mut attempts = 0;
    loop {
        match store
            .close(order(user, Closing::One(grant.session_id)))
            .await
        {
            Ok(_) => break,
            Err(error) => assert!(is_late(&error), "{error}"),
        }
        attempts += 1;
        assert!(attempts < 20, "never confirmed");
    }
    // Without a replica nothing is confirmed, however often it is asked for.
    replica.kill();
    for _ in 0..2 {
        let one = order(user, Closing::One(grant.session_id));
        let refused = store.close(one).await.unwrap_err();
        assert!(is_late(&refused), "{refused}");
    }
}
