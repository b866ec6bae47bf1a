//! A migrated database, and records to put into it.

use std::time::Duration;

use serde_json::{Map, Value};
use testkit::{Backend, TestDatabase};
use ud_config::DatabaseConfig;
use ud_db::{Db, StoreError};
use ud_events::{Event, EventType, NewEvent, Outcome};
use ud_idempotency::ServerKey;
use ud_kernel::{Clock, Service, Timestamp, UserId, models::Provenance};
use ud_seal::Sealer;
use user_audit_service::{
    ALL_MIGRATIONS,
    models::{
        record::{ClientRecord, NewRecord},
        record_flow::RecordFlow,
        record_store::{self, Record, RecordFilter, Repeats},
    },
};

pub const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub struct World {
    // Dropped last: the pool's connections go before the database does.
    pub db: Db,
    pub clock: Clock,
    pub sealer: Sealer,
    pub flow: RecordFlow,
    pub database: TestDatabase,
}

/// The use cases of one replica.
pub fn flow(db: &Db, clock: &Clock, sealer: &Sealer) -> RecordFlow {
    let key = ServerKey::new(db.clone(), sealer.clone(), clock.clone());
    RecordFlow::new(db.clone(), clock.clone(), key)
}

impl World {
    pub async fn new(database: TestDatabase) -> Self {
        let db = open(&database.url);
        db.migrate(&ALL_MIGRATIONS).await.unwrap();
        let clock = Clock::manual(START);
        let sealer = Sealer::from_config(&testkit::sealing(), Service::Audit).unwrap();
        Self {
            flow: flow(&db, &clock, &sealer),
            clock,
            sealer,
            db,
            database,
        }
    }

    /// Starts it on a fresh database of that kind.
    pub async fn on(backend: Backend) -> Self {
        Self::new(TestDatabase::create(backend)).await
    }

    pub async fn append(&self, records: Vec<NewRecord>) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let mut repeats = Repeats::default();
        self.db
            .tx(move |conn| record_store::append(conn, &records, now, &mut repeats))
            .await
    }

    /// The whole log, oldest first.
    pub async fn log(&self) -> Vec<Record> {
        whole_log(&self.db).await
    }
}

/// A pool of its own, as another process would have.
pub fn open(url: &str) -> Db {
    let options = DatabaseConfig {
        url: url.into(),
        pool_size: 8,
        acquire_timeout: Duration::from_secs(20),
        auto_migrate: false,
        migration_url: None,
    };
    Db::open(&options, Service::Audit).unwrap()
}

/// Every record, oldest first.
pub async fn whole_log(db: &Db) -> Vec<Record> {
    let all = RecordFilter::default();
    let read: Result<_, StoreError> = db
        .read(move |conn| record_store::list(conn, &all, 100_000))
        .await;
    let mut records = read.unwrap();
    records.reverse();
    records
}

/// An event about a user of its own, as profile would send it.
pub fn event() -> Event {
    event_at(START)
}

/// The same at another time.
pub fn event_at(time: Timestamp) -> Event {
    let user = UserId::new(START);
    let origin = Provenance {
        request_id: "request-1".to_owned(),
        ip: Some("192.0.2.7".to_owned()),
        user_agent: Some("agent".to_owned()),
        actor_id: None,
    };
    NewEvent::about(
        Service::Profile,
        EventType::USER_UPDATED,
        user,
        1,
        time,
        &origin,
    )
    .finish()
    .unwrap()
}

pub fn record() -> NewRecord {
    NewRecord::of_event(&event()).unwrap()
}

pub fn records(count: usize) -> Vec<NewRecord> {
    (0..count).map(|_| record()).collect()
}

/// What a client may ask for.
pub fn client(action: &str) -> ClientRecord {
    ClientRecord {
        action: action.to_owned(),
        actor_id: None,
        target_type: "order".to_owned(),
        target_id: "o-1".to_owned(),
        outcome: Outcome::Success,
        metadata: Some(Map::from_iter([("total".to_owned(), Value::from(12))])),
    }
}

pub fn user() -> UserId {
    UserId::new(START)
}
