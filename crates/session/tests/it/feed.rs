//! The list of revocations as the stores keep it, and a store that goes back (SECURITY rule 19).

use rstest::rstest;
use session_service::models::{
    redis::store::RedisStore,
    seen::Seen,
    session::Refusal,
    session_store::{CloseOrder, Closing, SessionStore},
};
use testkit::RedisServer;
use ud_config::Durability;
use ud_kernel::{
    SessionId, UserId,
    models::{FeedPosition, Revoked, SessionGrant, SessionState},
};

use crate::support::{
    Backend::{self, Redis, Sqlite},
    START, create, origin, redis_settings, redis_store, refusal, rotation, secs, token, user,
};

async fn log_in(store: &dyn SessionStore, user: UserId) -> SessionGrant {
    let id = SessionId::new(START);
    store.create(id, create(user, START)).await.unwrap().grant
}

async fn close(store: &dyn SessionStore, user: UserId, id: SessionId) {
    let order = CloseOrder {
        user_id: user,
        closing: Closing::One(id),
        origin: origin(),
        now: START,
    };
    assert_eq!(store.close(order).await.unwrap(), 1);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_reader_goes_on_from_where_it_was(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let empty = fx.store.feed(None, START).await.unwrap();
    assert!(empty.entries.is_empty() && !empty.resumed);
    let sessions = [
        log_in(&*fx.store, user).await,
        log_in(&*fx.store, user).await,
    ];
    assert_eq!(sessions[0].incarnation, empty.incarnation);
    close(&*fx.store, user, sessions[0].session_id).await;
    let first = fx.store.feed(None, START).await.unwrap();
    assert_eq!(first.entries.len(), 1);
    let known = Seen {
        incarnation: first.incarnation.clone(),
        position: first.entries[0].position,
    };
    let same = fx.store.feed(Some(known.clone()), START).await.unwrap();
    assert!(same.resumed && same.entries.is_empty());
    close(&*fx.store, user, sessions[1].session_id).await;
    let next = fx.store.feed(Some(known.clone()), START).await.unwrap();
    assert!(next.resumed);
    let [entry] = &next.entries[..] else {
        panic!("{next:?}");
    };
    assert!(entry.position > known.position);
    let id = sessions[1].session_id;
    assert_eq!(entry.revocation.revoked, Revoked::Session { id });
    // Who comes from another store begins anew.
    let foreign = Seen {
        incarnation: "another".to_owned(),
        position: FeedPosition(u64::from(u32::MAX), 0),
    };
    let all = fx.store.feed(Some(foreign), START).await.unwrap();
    assert!(!all.resumed);
    assert_eq!(all.entries.len(), 2);
    assert_eq!(
        all.incarnation, first.incarnation,
        "and nothing ends for it"
    );
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn waiting_ends_when_the_list_grows(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let grant = log_in(&*fx.store, user).await;
    let store = std::sync::Arc::clone(&fx.store);
    let waiting = tokio::spawn(async move {
        loop {
            store.wait_for_feed(FeedPosition::default()).await.unwrap();
            let read = store.feed(None, START).await.unwrap();
            if !read.entries.is_empty() {
                return;
            }
        }
    });
    close(&*fx.store, user, grant.session_id).await;
    waiting.await.unwrap();
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_store_behind_a_reader_is_emptied(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let grant = log_in(&*fx.store, user).await;
    let closed = log_in(&*fx.store, user).await;
    close(&*fx.store, user, closed.session_id).await;
    let read = fx.store.feed(None, START).await.unwrap();
    // Somebody saw an entry that this store does not have.
    let FeedPosition(high, low) = read.entries[0].position;
    let question = token(&grant, user);
    let seen = |high| Seen {
        incarnation: read.incarnation.clone(),
        position: FeedPosition(high, low),
    };
    fx.store.learn(seen(high)).await.unwrap();
    let state = fx.store.state(grant.session_id, question.clone(), START);
    assert_eq!(state.await.unwrap(), SessionState::Good);
    fx.store.learn(seen(high + 1)).await.unwrap();
    let state = fx.store.state(grant.session_id, question, START);
    assert_eq!(state.await.unwrap(), SessionState::Closed);
    assert_eq!(fx.store.find(grant.session_id, START).await.unwrap(), None);
    assert!(fx.store.list(user, START).await.unwrap().is_empty());
    let late = rotation(&grant, user, START.plus(secs(60)));
    assert_eq!(refusal(fx.store.rotate(late).await), Refusal::Closed);
    let again = fx.store.feed(None, START).await.unwrap();
    assert_ne!(again.incarnation, read.incarnation);
    assert!(again.entries.is_empty());
    // The next login is good.
    let new = log_in(&*fx.store, user).await;
    assert_eq!(new.incarnation, again.incarnation);
    let state = fx.store.state(new.session_id, token(&new, user), START);
    assert_eq!(state.await.unwrap(), SessionState::Good);
}

/// Every key of a server, as a backup has it.
pub struct Backup(Vec<(Vec<u8>, Vec<u8>, i64)>);

fn connect(server: &RedisServer) -> redis::Connection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_connection().unwrap()
}

impl Backup {
    pub fn of(server: &RedisServer) -> Self {
        let mut connection = connect(server);
        let ask = |name: &str, key: &[u8]| redis::cmd(name).arg(key).to_owned();
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        let keys = keys.into_iter().filter_map(|key| {
            // The service may have deleted it meanwhile: the relay's work goes on.
            let dump: Option<Vec<u8>> = ask("DUMP", &key).query(&mut connection).unwrap();
            let ttl: i64 = ask("PTTL", &key).query(&mut connection).unwrap();
            Some((key, dump?, ttl.max(0)))
        });
        Self(keys.collect())
    }

    pub fn restore(&self, server: &RedisServer) {
        // In one transaction, as a server starts with its data: the service goes on writing meanwhile.
        let mut all = redis::pipe();
        all.atomic().cmd("FLUSHALL");
        for (key, dump, ttl) in &self.0 {
            all.cmd("RESTORE").arg(key).arg(ttl).arg(dump);
        }
        all.exec(&mut connect(server)).unwrap();
    }
}

/// Two sessions, a backup, and one of the sessions closed after it, as `store` has seen.
async fn closed_after_backup(
    server: &RedisServer,
    store: &RedisStore,
    user: UserId,
) -> (SessionGrant, SessionGrant, Backup) {
    let (kept, closed) = (log_in(store, user).await, log_in(store, user).await);
    let backup = Backup::of(server);
    close(store, user, closed.session_id).await;
    store.feed(None, START).await.unwrap();
    (kept, closed, backup)
}

#[tokio::test]
async fn a_restored_backup_brings_nothing_back_whatever_is_asked_first() {
    let server = RedisServer::start();
    let settings = redis_settings(&server.url(), Durability::Lossy);
    for first in ["state", "rotate", "find", "list", "create", "close"] {
        // The backup says when the one before was found out.
        settings.hand.as_ref().unwrap().advance(secs(300));
        let store = redis_store(&settings);
        let user = user();
        let (kept, closed, backup) = closed_after_backup(&server, &store, user).await;
        backup.restore(&server);
        let later = START.plus(secs(60));
        match first {
            "state" => {
                let state = store.state(closed.session_id, token(&closed, user), START);
                assert_eq!(state.await.unwrap(), SessionState::Closed);
            }
            "rotate" => {
                let refused = store.rotate(rotation(&closed, user, later)).await;
                assert_eq!(refusal(refused), Refusal::Closed);
            }
            "find" => assert_eq!(store.find(closed.session_id, START).await.unwrap(), None),
            "list" => assert!(store.list(user, START).await.unwrap().is_empty()),
            "create" => {
                let new = log_in(&*store, user).await;
                assert_ne!(new.incarnation, closed.incarnation);
            }
            _ => {
                let order = CloseOrder {
                    user_id: user,
                    closing: Closing::All { except: None },
                    origin: origin(),
                    now: START,
                };
                assert_eq!(store.close(order).await.unwrap(), 0);
            }
        }
        // Whatever it was: everything of before is over, for good.
        for old in [&kept, &closed] {
            let state = store.state(old.session_id, token(old, user), START);
            assert_eq!(state.await.unwrap(), SessionState::Closed, "{first}");
            let refused = store.rotate(rotation(old, user, later)).await;
            assert_eq!(refusal(refused), Refusal::Closed, "{first}");
        }
    }
}

#[tokio::test]
async fn a_restarted_service_learns_of_a_restored_backup_from_who_asks() {
    let server = RedisServer::start();
    let settings = redis_settings(&server.url(), Durability::Lossy);
    let store = redis_store(&settings);
    let user = user();
    let (_, closed, backup) = closed_after_backup(&server, &store, user).await;
    let read = store.feed(None, START).await.unwrap();
    backup.restore(&server);
    // Another process, which has seen nothing.
    let store = redis_store(&settings);
    let seen = Seen {
        incarnation: read.incarnation.clone(),
        position: read.entries.last().unwrap().position,
    };
    store.learn(seen).await.unwrap();
    let state = store.state(closed.session_id, token(&closed, user), START);
    assert_eq!(state.await.unwrap(), SessionState::Closed);
    let again = store.feed(None, START).await.unwrap();
    assert_ne!(again.incarnation, read.incarnation);
}
