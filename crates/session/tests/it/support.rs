//! The two stores, each fresh, and requests to them.

use std::{sync::Arc, time::Duration};

use session_service::{
    ALL_MIGRATIONS,
    models::{
        error::SessionError,
        redis::{
            outbox::RedisOutbox,
            store::{RedisSettings, RedisStore},
        },
        seen::Seen,
        session::{Refusal, Session},
        session_store::{Answer, Checked, CloseOrder, Closing, Created, FeedRead, SessionStore},
        sqlite::store::SqliteStore,
    },
};
use tempfile::TempDir;
use tokio::sync::watch;
use ud_config::{DatabaseConfig, Durability, RedisConfig};
use ud_db::{Db, FileLock};
use ud_events::{Event, NewEvent, Outbox, OutboxHandle, SqlOutbox};
use ud_kernel::{
    Clock, Service, SessionId, Timestamp, UserId,
    models::{
        CreateSession, FeedPosition, NotBefore, Provenance, RevokedKey, RevokedUntil,
        RotateSession, SessionGrant, SessionState, SessionStateQuery,
    },
};

/// When every test begins.
pub const START: Timestamp = Timestamp::from_millis(1_750_000_000_000);

/// Lifetime of access tokens, in seconds.
pub const ACCESS_TTL: u32 = 900;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Redis,
    Sqlite,
}

/// A fresh store, and what belongs to it.
pub struct Fixture {
    /// Its clock shows what auth's does: a request brings its time with it.
    pub store: Arc<dyn SessionStore>,
    /// The same store by `clock` alone.
    pub own: Arc<dyn SessionStore>,
    pub outbox: AnyOutbox,
    pub clock: Clock,
    /// Of its keys in Redis.
    pub namespace: Option<String>,
    /// Changes when the relay is woken.
    pub woken: watch::Receiver<()>,
    folder: Option<TempDir>,
}

#[derive(Clone)]
pub enum AnyOutbox {
    Redis(RedisOutbox),
    Sqlite(SqlOutbox),
}

pub fn redis_settings(url: &str, durability: Durability) -> RedisSettings {
    // Under the hash tag of production, and nobody else's.
    let namespace = format!("{{ud}}:{}", SessionId::new(Clock::system().now()));
    RedisSettings {
        redis: RedisConfig {
            url: url.into(),
            durability,
        },
        namespace,
        hand: Some(Clock::manual(START)),
    }
}

pub fn redis_store(settings: &RedisSettings) -> Arc<RedisStore> {
    Arc::new(RedisStore::new(settings, OutboxHandle::new(), true).unwrap())
}

pub async fn sqlite_store(
    folder: &std::path::Path,
    clock: &Clock,
) -> (Arc<SqliteStore>, SqlOutbox) {
    sqlite_store_with(folder, clock, OutboxHandle::new()).await
}

async fn sqlite_store_with(
    folder: &std::path::Path,
    clock: &Clock,
    relay: OutboxHandle,
) -> (Arc<SqliteStore>, SqlOutbox) {
    let file = folder.join("session.db");
    let lock = FileLock::alone(&file).unwrap();
    let options = DatabaseConfig {
        url: format!("sqlite://{}", file.display()).into(),
        pool_size: 4,
        acquire_timeout: Duration::from_secs(20),
        auto_migrate: true,
        migration_url: None,
    };
    let db = Db::open_unlocked(&options, Service::Session).unwrap();
    db.migrate(&ALL_MIGRATIONS).await.unwrap();
    let outbox = SqlOutbox::new(db.clone(), clock.clone());
    let store = SqliteStore::new(db, &ALL_MIGRATIONS, lock, relay, clock.clone());
    (Arc::new(store), outbox)
}

impl Backend {
    pub async fn open(self) -> Fixture {
        let clock = Clock::manual(START);
        let relay = OutboxHandle::new();
        let woken = relay.subscribe();
        match self {
            Self::Redis => {
                let mut settings = redis_settings(&testkit::redis_url(), Durability::Lossy);
                settings.hand = Some(clock.clone());
                let namespace = Some(settings.namespace.clone());
                let store = Arc::new(RedisStore::new(&settings, relay, true).unwrap());
                let outbox = AnyOutbox::Redis(RedisOutbox::new(&store, clock.clone()));
                Fixture {
                    store: Abreast::of(&store, &clock),
                    own: store,
                    outbox,
                    clock,
                    woken,
                    namespace,
                    folder: None,
                }
            }
            Self::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let (store, outbox) = sqlite_store_with(folder.path(), &clock, relay).await;
                Fixture {
                    store: Abreast::of(&store, &clock),
                    own: store,
                    outbox: AnyOutbox::Sqlite(outbox),
                    clock,
                    woken,
                    namespace: None,
                    folder: Some(folder),
                }
            }
        }
    }
}

/// A store whose clock is set by each login and each rotation to auth's.
struct Abreast<S> {
    store: Arc<S>,
    clock: Clock,
}

impl<S: SessionStore + 'static> Abreast<S> {
    fn of(store: &Arc<S>, clock: &Clock) -> Arc<dyn SessionStore> {
        Arc::new(Self {
            store: Arc::clone(store),
            clock: clock.clone(),
        })
    }
}

impl<S: SessionStore> SessionStore for Abreast<S> {
    fn create(&self, id: SessionId, new: CreateSession) -> Answer<'_, Created> {
        self.clock.set(new.now);
        self.store.create(id, new)
    }

    fn rotate(&self, request: RotateSession) -> Answer<'_, SessionGrant> {
        self.clock.set(request.now);
        self.store.rotate(request)
    }

    fn close(&self, order: CloseOrder) -> Answer<'_, u32> {
        self.store.close(order)
    }

    fn set_not_before(&self, not_before: NotBefore, now: Timestamp) -> Answer<'_, ()> {
        self.store.set_not_before(not_before, now)
    }

    fn revoke_key(&self, key: RevokedKey, now: Timestamp) -> Answer<'_, ()> {
        self.store.revoke_key(key, now)
    }

    fn state(
        &self,
        id: SessionId,
        token: SessionStateQuery,
        now: Timestamp,
    ) -> Answer<'_, SessionState> {
        self.store.state(id, token, now)
    }

    fn find(&self, id: SessionId, now: Timestamp) -> Answer<'_, Option<Session>> {
        self.store.find(id, now)
    }

    fn list(&self, user_id: UserId, now: Timestamp) -> Answer<'_, Vec<Session>> {
        self.store.list(user_id, now)
    }

    fn learn(&self, seen: Seen) -> Answer<'_, ()> {
        self.store.learn(seen)
    }

    fn feed(&self, known: Option<Seen>, now: Timestamp) -> Answer<'_, FeedRead> {
        self.store.feed(known, now)
    }

    fn wait_for_feed(&self, after: FeedPosition) -> Answer<'_, ()> {
        self.store.wait_for_feed(after)
    }

    fn note(&self, events: Vec<NewEvent>) -> Answer<'_, ()> {
        self.store.note(events)
    }

    fn check(&self) -> Checked<'_> {
        self.store.check()
    }
}

impl Fixture {
    /// Every event not taken yet, as audit would get them.
    pub async fn take_events(&self) -> Vec<Event> {
        match &self.outbox {
            AnyOutbox::Redis(outbox) => take_all(outbox).await,
            AnyOutbox::Sqlite(outbox) => take_all(outbox).await,
        }
    }

    /// Types of the events not taken yet.
    pub async fn take_kinds(&self) -> Vec<&'static str> {
        self.take_events()
            .await
            .iter()
            .map(|event| event.kind.as_str())
            .collect()
    }

    /// Of the file, if it is in one.
    pub fn sqlite_url(&self) -> String {
        let folder = self.folder.as_ref().expect("in SQLite");
        format!("sqlite://{}", folder.path().join("session.db").display())
    }

    /// How many events are in the stream of the outbox.
    pub async fn outbox_length(&self) -> usize {
        let namespace = self.namespace.clone().expect("in Redis");
        let client = redis::Client::open(testkit::redis_url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let mut length = redis::cmd("XLEN");
        let length = length.arg(format!("{namespace}:outbox"));
        length.query(&mut connection).unwrap()
    }

    /// Logs `user` in at `now`.
    pub async fn log_in(&self, user: UserId, now: Timestamp) -> SessionGrant {
        let created = self
            .store
            .create(SessionId::new(now), create(user, now))
            .await
            .unwrap();
        assert!(created.is_new);
        created.grant
    }

    pub async fn state(&self, grant: &SessionGrant, user: UserId, now: Timestamp) -> SessionState {
        let token = token(grant, user);
        self.store
            .state(grant.session_id, token, now)
            .await
            .unwrap()
    }

    pub async fn close(&self, user: UserId, closing: Closing, now: Timestamp) -> u32 {
        let order = CloseOrder {
            user_id: user,
            closing,
            origin: origin(),
            now,
        };
        self.store.close(order).await.unwrap()
    }
}

/// Everything in `outbox` for audit, delivered.
pub async fn take_all(outbox: &impl Outbox) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let claimed = outbox.claim(Service::Audit.into(), 100).await.unwrap();
        if claimed.is_empty() {
            return events;
        }
        outbox
            .delivered(Service::Audit.into(), &claimed)
            .await
            .unwrap();
        events.extend(
            claimed
                .iter()
                .map(|c| Event::from_json(c.body.as_bytes()).unwrap()),
        );
    }
}

pub fn user() -> UserId {
    UserId::new(START)
}

pub fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub fn origin() -> Provenance {
    Provenance {
        request_id: "r-1".to_owned(),
        ip: Some("192.0.2.1".to_owned()),
        user_agent: Some("Agent/1".to_owned()),
        actor_id: None,
    }
}

/// What auth sends at a login.
pub fn create(user_id: UserId, now: Timestamp) -> CreateSession {
    CreateSession {
        user_id,
        epoch: 1,
        pv: 1,
        roles: vec!["user".to_owned()],
        nonce_hash: "n".repeat(43),
        key_id: "k1".to_owned(),
        now,
        access_ttl: ACCESS_TTL,
        access_until: None,
        idle: 14 * 86_400,
        absolute: 30 * 86_400,
        amr: vec!["pwd".to_owned()],
        origin: origin(),
    }
}

/// What auth sends at a refresh with the token of `grant`.
pub fn rotation(grant: &SessionGrant, user_id: UserId, now: Timestamp) -> RotateSession {
    RotateSession {
        session_id: grant.session_id,
        user_id,
        nonce_hash: "n".repeat(43),
        counter: grant.counter,
        key_id: "k2".to_owned(),
        epoch: 1,
        pv: 1,
        roles: vec!["user".to_owned()],
        now,
        access_ttl: ACCESS_TTL,
        access_until: None,
        idle: 14 * 86_400,
        absolute: 30 * 86_400,
        reauthenticated: false,
        privileged: false,
        key_ids: ["k1", "k2", "k3"].map(str::to_owned).to_vec(),
        origin: origin(),
    }
}

/// What a verifier asks about the access token of `grant`.
pub fn token(grant: &SessionGrant, user_id: UserId) -> SessionStateQuery {
    SessionStateQuery {
        user_id,
        pv: 1,
        inc: grant.incarnation.clone(),
        roles: "user".to_owned(),
        kid: "key-1".to_owned(),
        feed_incarnation: None,
        feed_position: None,
        feed_tag: None,
    }
}

/// The whole list of revocations, oldest first.
pub async fn list_of(store: &dyn SessionStore) -> Vec<RevokedUntil> {
    let read = store.feed(None, START).await.unwrap();
    read.entries.into_iter().map(|e| e.revocation).collect()
}

/// Why it was refused; panics if it was not.
#[track_caller]
pub fn refusal<T: std::fmt::Debug>(result: Result<T, SessionError>) -> Refusal {
    match result {
        Err(SessionError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
