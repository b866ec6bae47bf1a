//! A sender with an outbox, and a receiver that writes down every effect.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use diesel::{connection::SimpleConnection as _, prelude::*};
use serde_json::json;
use testkit::Backend;
use tokio::sync::watch;
use ud_db::{Db, DbConn, StoreError, sql::Bind};
use ud_events::{
    ApplyError, Batch, Destination, Event, EventType, Inbox, NewEvent, OutboxHandle, Receipt,
    SqlOutbox,
    schema::{inbox, outbox as outbox_table, outbox_deliveries},
};
use ud_kernel::{Clock, EventId, Service, Timestamp, UserId, models::Provenance};
use uuid::Uuid;

use crate::servers::Fresh;

diesel::table! {
    use diesel::sql_types::BigInt;
    use ud_db::sql;

    effects (event_id) {
        event_id -> sql::Id,
        subject -> sql::Id,
        sequence -> BigInt,
    }
}

/// Longer than anything here takes; reached only by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub struct Sender {
    pub fresh: Fresh,
    pub db: Db,
    pub clock: Clock,
    pub handle: OutboxHandle,
}

pub fn user(n: u128) -> UserId {
    UserId::from_uuid(Uuid::from_u128(n))
}

impl Sender {
    pub async fn new(backend: Backend) -> Self {
        let fresh = Fresh::new(backend);
        let db = fresh.migrated().await;
        Self {
            fresh,
            db,
            clock: Clock::manual(START),
            handle: OutboxHandle::new(),
        }
    }

    pub fn outbox(&self) -> SqlOutbox {
        SqlOutbox::new(self.db.clone(), self.clock.clone())
    }

    /// An event that goes to audit alone.
    pub fn updated(&self, subject: u128, sequence: i64) -> NewEvent {
        let now = self.clock.now();
        NewEvent::about(
            Service::Profile,
            EventType::USER_UPDATED,
            user(subject),
            sequence,
            now,
            &Provenance::default(),
        )
    }

    /// An event that goes to audit, auth and role.
    pub fn deleted(&self, subject: u128, sequence: i64) -> NewEvent {
        let now = self.clock.now();
        NewEvent::about(
            Service::Profile,
            EventType::USER_DELETED,
            user(subject),
            sequence,
            now,
            &Provenance::default(),
        )
    }

    /// An event that the receiver refuses until it is mended.
    pub fn bad(&self, subject: u128, sequence: i64) -> NewEvent {
        self.updated(subject, sequence)
            .details(json!({"bad": true}))
    }

    pub async fn write(&self, new: NewEvent) -> EventId {
        self.write_also(new, &[]).await
    }

    pub async fn write_also(&self, new: NewEvent, further: &[Destination]) -> EventId {
        let (id, further) = (new.id(), further.to_vec());
        self.db
            .tx(move |conn| ud_events::outbox::write_also(conn, new.clone(), &further))
            .await
            .unwrap();
        self.handle.wake();
        id
    }

    /// Rows of outbox and deliveries.
    pub async fn rows(&self) -> (i64, i64) {
        let count = |conn: &mut DbConn| {
            let events = outbox_table::table.count().get_result(conn)?;
            let deliveries = outbox_deliveries::table.count().get_result(conn)?;
            Ok::<_, StoreError>((events, deliveries))
        };
        self.db.read(count).await.unwrap()
    }
}

/// Applies events to a database of its own and checks their order.
#[derive(Clone)]
pub struct Receiver {
    _fresh: Arc<Fresh>,
    pub db: Db,
    pub inbox: Inbox,
    pub mended: Arc<AtomicBool>,
    pub store_down: Arc<AtomicBool>,
    /// How many events it accepted so far, repeated ones too.
    pub arrived: watch::Sender<usize>,
    disorder: Arc<AtomicU32>,
}

impl Receiver {
    pub async fn new(backend: Backend, clock: &Clock) -> Self {
        let fresh = Fresh::new(backend);
        let db = fresh.migrated().await;
        let id = match backend {
            Backend::Sqlite => "BLOB",
            Backend::Postgres => "uuid",
            Backend::Mysql => "BINARY(16)",
        };
        let ddl = format!("CREATE TABLE effects (event_id {id}, subject {id}, sequence BIGINT)");
        db.read(move |conn| conn.batch_execute(&ddl).map_err(StoreError::from))
            .await
            .unwrap();
        Self {
            _fresh: Arc::new(fresh),
            inbox: Inbox::new(db.clone(), clock.clone()),
            db,
            mended: Arc::default(),
            store_down: Arc::default(),
            arrived: watch::Sender::new(0),
            disorder: Arc::default(),
        }
    }

    /// Runs SQL on the receiver's database.
    pub async fn sql(&self, statement: String) {
        self.db
            .read(move |conn| conn.batch_execute(&statement).map_err(StoreError::from))
            .await
            .unwrap();
    }

    pub async fn take(&self, batch: Batch) -> Result<Receipt, StoreError> {
        let this = self.clone();
        let apply = move |conn: &mut DbConn, event: &Event| this.apply(conn, event);
        let receipt = self.inbox.receive(batch, apply).await?;
        self.arrived.send_modify(|n| *n += receipt.accepted.len());
        Ok(receipt)
    }

    /// Writes the effect down first and refuses then: what is refused must leave no trace.
    fn apply(&self, conn: &mut DbConn, event: &Event) -> Result<(), ApplyError> {
        let subject = EventId::from_uuid(event.subject);
        let last: Option<i64> = effects::table
            .filter(effects::subject.eq(Bind(subject)))
            .select(diesel::dsl::max(effects::sequence))
            .first(conn)?;
        if last.is_some_and(|last| last >= event.sequence) {
            self.disorder.fetch_add(1, Ordering::SeqCst);
        }
        diesel::insert_into(effects::table)
            .values((
                effects::event_id.eq(Bind(event.id)),
                effects::subject.eq(Bind(subject)),
                effects::sequence.eq(event.sequence),
            ))
            .execute(conn)?;
        if self.store_down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("test".into()).into());
        }
        let bad = event.data.details.contains_key("bad");
        if bad && !self.mended.load(Ordering::SeqCst) {
            return Err(ApplyError::Bad("bad".into()));
        }
        Ok(())
    }

    /// How often each event took effect.
    pub async fn effects(&self) -> BTreeMap<EventId, usize> {
        assert_eq!(self.disorder.load(Ordering::SeqCst), 0, "out of order");
        let all = self
            .db
            .read(|conn| {
                effects::table
                    .select(effects::event_id)
                    .load::<EventId>(conn)
                    .map_err(StoreError::from)
            })
            .await
            .unwrap();
        let mut counts = BTreeMap::new();
        for id in all {
            *counts.entry(id).or_default() += 1;
        }
        counts
    }

    /// Asserts that exactly `ids` took effect, each once.
    pub async fn has_exactly(&self, ids: &[EventId]) {
        let expected: BTreeMap<_, _> = ids.iter().map(|id| (*id, 1)).collect();
        assert_eq!(self.effects().await, expected);
    }

    pub async fn remembered(&self) -> i64 {
        let count = |conn: &mut DbConn| {
            inbox::table
                .count()
                .get_result(conn)
                .map_err(StoreError::from)
        };
        self.db.read(count).await.unwrap()
    }
}
