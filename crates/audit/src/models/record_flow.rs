//! What is done with the audit log.

use ud_db::{Db, StoreError};
use ud_events::{Batch, Event, NewEvent, Receipt};
use ud_idempotency::{IdempotencyRecord, ServerKey};
use ud_kernel::{Clock, EventId, RecordId, UserId, models::Provenance};

use super::{
    error::AuditError,
    key_store,
    record::{ClientRecord, NewRecord},
    record_store::{self, Record, RecordFilter, Repeats},
};

/// Use cases of the audit log. Clones are the same.
#[derive(Clone)]
pub struct RecordFlow {
    db: Db,
    clock: Clock,
    key: ServerKey,
}

impl RecordFlow {
    /// Makes one on `db`; Idempotency-Keys are stored under `key`.
    #[must_use]
    pub const fn new(db: Db, clock: Clock, key: ServerKey) -> Self {
        Self { db, clock, key }
    }

    /// Records what a user asks for. With an Idempotency-Key the same request again gives the same record.
    ///
    /// # Errors
    /// [`AuditError::ActionReserved`], [`AuditError::KeyReused`], or the store.
    pub async fn create(
        &self,
        client: ClientRecord,
        writer: UserId,
        origin: &Provenance,
        key: Option<String>,
    ) -> Result<Record, AuditError> {
        let now = self.clock.now();
        let record = NewRecord::of_client(&client, writer, origin, now)?;
        let idempotency = match key {
            Some(key) => Some(self.idempotency_record(&client, writer, &key).await?),
            None => None,
        };
        let mut repeats = Repeats::default();
        self.db
            .tx(move |conn| {
                if let Some(idempotency) = &idempotency {
                    if let Some((fingerprint, id)) = key_store::find_key(conn, idempotency, now)? {
                        if fingerprint != idempotency.fingerprint {
                            return Err(AuditError::KeyReused);
                        }
                        return record_store::find(conn, id)?.ok_or(AuditError::NotFound);
                    }
                    key_store::insert_key(conn, idempotency, record.id, now)?;
                }
                record_store::append(conn, std::slice::from_ref(&record), now, &mut repeats)?;
                record_store::find(conn, record.id)?.ok_or(AuditError::NotFound)
            })
            .await
    }

    /// Records the events of a batch, each once.
    ///
    /// # Errors
    /// The store; the sender will send the batch again.
    pub async fn receive(&self, batch: Batch) -> Result<Receipt, AuditError> {
        let now = self.clock.now();
        let mut parked = batch.parked;
        let mut accepted: Vec<EventId> = Vec::with_capacity(batch.events.len());
        let mut records = Vec::with_capacity(batch.events.len());
        for event in &batch.events {
            match record_of(event) {
                Some(record) => {
                    records.push(record);
                    accepted.push(event.id);
                }
                None => parked.push(event.id),
            }
        }
        let mut repeats = Repeats::default();
        self.db
            .tx(move |conn| record_store::append(conn, &records, now, &mut repeats))
            .await?;
        Ok(Receipt { accepted, parked })
    }

    /// Records what this service itself has to tell, the same again being the same. What can never be recorded
    /// is logged and given up: nobody would be there to mend it.
    ///
    /// # Errors
    /// The store, which may take it later.
    pub async fn record_own(&self, events: &[NewEvent]) -> Result<(), StoreError> {
        let now = self.clock.now();
        let finished = events.iter().filter_map(|new| new.clone().finish().ok());
        let records: Vec<_> = finished.filter_map(|event| record_of(&event)).collect();
        let mut repeats = Repeats::default();
        let written: Result<usize, StoreError> = self
            .db
            .tx(move |conn| record_store::append(conn, &records, now, &mut repeats))
            .await;
        match written {
            Err(error) if error.is_temporary() => Err(error),
            Err(error) => {
                log::error!("{} own events are lost: {error}", events.len());
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// The record of that id.
    ///
    /// # Errors
    /// [`AuditError::NotFound`], or the store.
    pub async fn read(&self, id: RecordId) -> Result<Record, AuditError> {
        self.db
            .read(move |conn| record_store::find(conn, id)?.ok_or(AuditError::NotFound))
            .await
    }

    /// Returns at most `most` records, newest first.
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self, filter: RecordFilter, most: i64) -> Result<Vec<Record>, AuditError> {
        self.db
            .read(move |conn| record_store::list(conn, &filter, most).map_err(AuditError::from))
            .await
    }

    async fn idempotency_record(
        &self,
        client: &ClientRecord,
        writer: UserId,
        key: &str,
    ) -> Result<IdempotencyRecord, AuditError> {
        let keys = self.key.get().await?;
        let body = serde_json_canonicalizer::to_string(client)
            .map_err(|_| AuditError::Unrecordable("no canonical form"))?;
        // Scope: the operation and its caller (SECURITY rule 31).
        let operation = format!("create_audit {writer}");
        Ok(keys.record(&operation, key, &[Some(&body)], self.clock.now()))
    }
}

fn record_of(event: &Event) -> Option<NewRecord> {
    NewRecord::of_event(event)
        .inspect_err(|e| log::error!("event {} cannot be recorded: {e}", event.id))
        .ok()
}
