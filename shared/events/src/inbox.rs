//! Taking events of other services into an SQL database, each exactly once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use diesel::prelude::*;
use ud_db::{Db, DbConn, StoreError, TxError, sql::Bind};
use ud_kernel::{Clock, EventId, Timestamp};

use crate::{Batch, Event, Receipt, schema::inbox};

/// How long an event is remembered. A sender that was silent for longer than this and then repeats itself
/// would be believed.
const MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
const FORGET_AT_ONCE: i64 = 1000;

/// Why an event was not applied.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApplyError {
    /// The event itself cannot be applied: it is parked. The text is logged and holds no personal data.
    #[error("{0}")]
    Bad(String),
    /// The store. Temporary failures fail the batch, which is sent again; others park the event.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TxError for ApplyError {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Bad(_) => None,
            Self::Store(error) => Some(error),
        }
    }
}

impl From<diesel::result::Error> for ApplyError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Remembers which events the database already has the effects of. Clones are the same inbox.
#[derive(Debug, Clone)]
pub struct Inbox {
    db: Db,
    clock: Clock,
}

impl Inbox {
    /// The inbox in `db`.
    #[must_use]
    pub const fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Applies the events of `batch` that were not applied before, each in one transaction with the note
    /// that it was: all together if all are good, otherwise one by one, and one that `apply` refuses holds
    /// back only its subject. `apply` may run several times for one event, of which one is committed; it
    /// ignores types it does not know.
    ///
    /// # Errors
    /// [`StoreError`], with whatever is not committed undone: the sender will send the batch again.
    pub async fn receive<F>(&self, batch: Batch, apply: F) -> Result<Receipt, StoreError>
    where
        F: Fn(&mut DbConn, &Event) -> Result<(), ApplyError> + Send + Sync + 'static,
    {
        let apply = Arc::new(apply);
        let now = self.clock.now();
        let Batch { events, mut parked } = batch;
        let events: Arc<[Event]> = events.into();
        let accepted = events.iter().map(|event| event.id).collect();
        match self.apply_all(&events, now, &apply).await {
            Ok(()) => return Ok(Receipt { accepted, parked }),
            Err(ApplyError::Store(error)) if error.is_temporary() => return Err(error),
            Err(_) => {}
        }
        let mut accepted = Vec::new();
        let mut held = HashSet::new();
        for event in events.iter() {
            if held.contains(&event.subject) {
                continue;
            }
            match self.apply_all(&[event.clone()].into(), now, &apply).await {
                Ok(()) => accepted.push(event.id),
                Err(ApplyError::Store(error)) if error.is_temporary() => return Err(error),
                Err(error) => {
                    log::error!("event {} ({}) is parked: {error}", event.id, event.kind);
                    held.insert(event.subject);
                    parked.push(event.id);
                }
            }
        }
        Ok(Receipt { accepted, parked })
    }

    async fn apply_all<F>(
        &self,
        events: &Arc<[Event]>,
        now: Timestamp,
        apply: &Arc<F>,
    ) -> Result<(), ApplyError>
    where
        F: Fn(&mut DbConn, &Event) -> Result<(), ApplyError> + Send + Sync + 'static,
    {
        let (events, apply) = (Arc::clone(events), Arc::clone(apply));
        self.db
            .tx(move |conn| {
                for event in events.iter() {
                    if is_new(conn, event, now)? {
                        apply(conn, event)?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// Forgets events received more than 30 days ago. Called once an hour or so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_old(&self) -> Result<(), StoreError> {
        let limit = self.clock.now().minus(MEMORY);
        loop {
            let old = self.db.read(move |conn| {
                inbox::table
                    .filter(inbox::received_at.lt(Bind(limit)))
                    .select(inbox::event_id)
                    .limit(FORGET_AT_ONCE)
                    .load::<EventId>(conn)
                    .map_err(StoreError::from)
            });
            let old = old.await?;
            if old.is_empty() {
                return Ok(());
            }
            let forget = move |conn: &mut DbConn| {
                diesel::delete(inbox::table)
                    .filter(inbox::received_at.lt(Bind(limit)))
                    .filter(inbox::event_id.eq_any(old.iter().copied().map(Bind)))
                    .execute(conn)
                    .map_err(StoreError::from)
            };
            self.db.tx(forget).await?;
        }
    }
}

/// Notes the event; false if that was done before. Ids are remembered per source, so that no service can
/// suppress another's event by using its id first.
fn is_new(conn: &mut DbConn, event: &Event, now: Timestamp) -> Result<bool, StoreError> {
    let source = event.source.as_str();
    let known = inbox::table
        .filter(inbox::source.eq(source))
        .filter(inbox::event_id.eq(Bind(event.id)))
        .select(inbox::event_id)
        .first::<EventId>(conn)
        .optional()?;
    if known.is_some() {
        return Ok(false);
    }
    diesel::insert_into(inbox::table)
        .values((
            inbox::source.eq(source),
            inbox::event_id.eq(Bind(event.id)),
            inbox::received_at.eq(Bind(now)),
        ))
        .execute(conn)
        // The same batch twice at once: the second finds the first's notes when it is run again.
        .map_err(|e| StoreError::from(e).or_again())?;
    Ok(true)
}
