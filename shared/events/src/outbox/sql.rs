//! The outbox in the service's own SQL database.

use diesel::{alias, dsl::exists, dsl::not, prelude::*};
use ud_db::{Db, DbConn, StoreError, sql::Bind};
use ud_kernel::{Clock, EventId, Timestamp};

use crate::{
    Claimed, Destination, EventType, NewEvent, Outbox, OutboxError, Postponed,
    relay::{LEASE, LONGEST_LEASE, LONGEST_WAIT},
    schema::{outbox, outbox_deliveries},
};

/// State of a delivery that the destination has not refused.
const PENDING: &str = "pending";
/// State of a delivery that the destination has refused at least once.
const PARKED: &str = "parked";
/// New deliveries are due by every clock, also by one that runs behind the writer's.
const AT_ONCE: Timestamp = Timestamp::from_millis(0);
/// Orphans removed in one go.
const TIDY_AT_ONCE: i64 = 1000;

alias!(outbox_deliveries as earlier: Earlier);

/// Whether a delivery is due: its time has come, or lies further ahead than a clock that is right could have set it. Then
/// its writer's was ahead, and what it holds back (the end of a session, an account's deletion) is not meant for that time.
macro_rules! is_due {
    ($now:expr) => {
        outbox_deliveries::next_at
            .le(Bind($now))
            .or(outbox_deliveries::next_at.gt(Bind($now.plus(LONGEST_WAIT))))
            .or(outbox_deliveries::state
                .eq(PENDING)
                .and(outbox_deliveries::next_at.gt(Bind($now.plus(LONGEST_LEASE)))))
    };
}

/// Writes an event into the caller's transaction, which must be that of the change it tells of. Wake the
/// relay ([`crate::OutboxHandle::wake`]) after the commit.
///
/// # Errors
/// [`StoreError::Unique`] if the subject already has an event of this sequence; [`StoreError::Internal`] for
/// an event that its service may not write (see [`NewEvent::finish`]).
pub fn write(conn: &mut DbConn, new: NewEvent) -> Result<(), StoreError> {
    write_also(conn, new, &[])
}

/// Writes an event as [`write()`] does, for `further` destinations, none of which are services that its type names.
///
/// # Errors
/// As [`write()`].
pub fn write_also(
    conn: &mut DbConn,
    new: NewEvent,
    further: &[Destination],
) -> Result<(), StoreError> {
    let defect = |e: crate::EnvelopeError| StoreError::Internal(format!("event: {e}"));
    let event = new.finish().map_err(defect)?;
    let subject = EventId::from_uuid(event.subject);
    diesel::insert_into(outbox::table)
        .values((
            outbox::id.eq(Bind(event.id)),
            outbox::subject.eq(Bind(subject)),
            outbox::sequence.eq(event.sequence),
            outbox::kind.eq(event.kind.as_str()),
            outbox::body.eq(event.to_json().map_err(defect)?),
            outbox::created_at.eq(Bind(event.time)),
        ))
        .execute(conn)?;
    for destination in Destination::of(event.kind).chain(further.iter().copied()) {
        diesel::insert_into(outbox_deliveries::table)
            .values((
                outbox_deliveries::destination.eq(destination.as_str()),
                outbox_deliveries::event_id.eq(Bind(event.id)),
                outbox_deliveries::subject.eq(Bind(subject)),
                outbox_deliveries::sequence.eq(event.sequence),
                outbox_deliveries::state.eq(PENDING),
                outbox_deliveries::attempts.eq(0),
                outbox_deliveries::next_at.eq(Bind(AT_ONCE)),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Whether an event of `kind` about `subject` with `text` in its body is on its way already, so that the same order
/// need not be written again.
///
/// # Errors
/// If the store fails.
pub fn is_on_its_way(
    conn: &mut DbConn,
    subject: uuid::Uuid,
    kind: EventType,
    text: &str,
) -> Result<bool, StoreError> {
    let same = outbox::table
        .filter(outbox::subject.eq(Bind(EventId::from_uuid(subject))))
        .filter(outbox::kind.eq(kind.as_str()))
        .select(outbox::body)
        .load::<String>(conn)?;
    Ok(same.iter().any(|body| body.contains(text)))
}

/// The SQL side of the relay. Clones are the same outbox.
#[derive(Debug, Clone)]
pub struct SqlOutbox {
    db: Db,
    clock: Clock,
}

impl SqlOutbox {
    /// The outbox in `db`. Leases are counted by `clock`; replicas whose clocks differ may send an event
    /// twice, which receivers notice.
    #[must_use]
    pub const fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }
}

impl From<StoreError> for OutboxError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl Outbox for SqlOutbox {
    async fn claim(
        &self,
        destination: Destination,
        max: usize,
    ) -> Result<Vec<Claimed>, OutboxError> {
        let now = self.clock.now();
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let due = self
            .db
            .read(move |conn| due(conn, destination, now, max))
            .await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let lease = EventId::new(now);
        Ok(self
            .db
            .tx(move |conn| take(conn, destination, &due, now, lease))
            .await?)
    }

    async fn delivered(
        &self,
        destination: Destination,
        claimed: &[Claimed],
    ) -> Result<(), OutboxError> {
        let ids = ids(claimed);
        let done = ids.clone();
        self.db
            .tx(move |conn| {
                diesel::delete(outbox_deliveries::table)
                    .filter(outbox_deliveries::destination.eq(destination.as_str()))
                    .filter(outbox_deliveries::event_id.eq_any(binds(&done)))
                    .execute(conn)?;
                Ok::<_, StoreError>(())
            })
            .await?;
        // Not in the same transaction: of two loops that make the last two deliveries of an event at once,
        // neither would see the other's. What a kill leaves here, `tidy` removes.
        self.db.tx(move |conn| remove_delivered(conn, &ids)).await?;
        Ok(())
    }

    async fn postpone(
        &self,
        destination: Destination,
        claimed: &[Claimed],
        until: Timestamp,
        why: Postponed,
    ) -> Result<(), OutboxError> {
        let ids = ids(claimed);
        let leases: Vec<EventId> = claimed
            .iter()
            .filter_map(|c| c.lease.parse().ok())
            .collect();
        self.db
            .tx(move |conn| {
                let mine = outbox_deliveries::table
                    .filter(outbox_deliveries::destination.eq(destination.as_str()))
                    .filter(outbox_deliveries::event_id.eq_any(binds(&ids)))
                    .filter(outbox_deliveries::lease.eq_any(binds(&leases).map(Some)));
                let next_at = outbox_deliveries::next_at.eq(Bind(until));
                match why {
                    Postponed::Unreachable => diesel::update(mine).set(next_at).execute(conn)?,
                    Postponed::Parked => diesel::update(mine)
                        .set((next_at, outbox_deliveries::state.eq(PARKED)))
                        .execute(conn)?,
                };
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(())
    }

    async fn oldest(&self, destination: Destination) -> Result<Option<Timestamp>, OutboxError> {
        let oldest = self.db.read(move |conn| {
            // Ids are UUIDv7: the smallest is the oldest, and first in the primary key.
            outbox_deliveries::table
                .inner_join(outbox::table)
                .filter(outbox_deliveries::destination.eq(destination.as_str()))
                .order(outbox_deliveries::event_id)
                .select(outbox::created_at)
                .first::<Timestamp>(conn)
                .optional()
                .map_err(StoreError::from)
        });
        Ok(oldest.await?)
    }

    async fn tidy(&self) -> Result<(), OutboxError> {
        loop {
            let orphans = self.db.read(|conn| {
                outbox::table
                    .filter(not(exists(
                        outbox_deliveries::table.filter(outbox_deliveries::event_id.eq(outbox::id)),
                    )))
                    .select(outbox::id)
                    .limit(TIDY_AT_ONCE)
                    .load::<EventId>(conn)
                    .map_err(StoreError::from)
            });
            let orphans = orphans.await?;
            if orphans.is_empty() {
                return Ok(());
            }
            self.db
                .tx(move |conn| remove_delivered(conn, &orphans))
                .await?;
        }
    }
}

fn ids(claimed: &[Claimed]) -> Vec<EventId> {
    claimed.iter().map(|claimed| claimed.id).collect()
}

fn binds(ids: &[EventId]) -> impl Iterator<Item = Bind<EventId>> {
    ids.iter().copied().map(Bind)
}

/// The first undelivered event of each subject, if it is due, in the order they were made.
fn due(
    conn: &mut DbConn,
    destination: Destination,
    now: Timestamp,
    max: i64,
) -> Result<Vec<EventId>, StoreError> {
    let before = earlier
        .filter(
            earlier
                .field(outbox_deliveries::destination)
                .eq(outbox_deliveries::destination),
        )
        .filter(
            earlier
                .field(outbox_deliveries::subject)
                .eq(outbox_deliveries::subject),
        )
        .filter(
            earlier
                .field(outbox_deliveries::sequence)
                .lt(outbox_deliveries::sequence),
        );
    outbox_deliveries::table
        .filter(outbox_deliveries::destination.eq(destination.as_str()))
        .filter(is_due!(now))
        .filter(not(exists(before)))
        .order(outbox_deliveries::event_id)
        .limit(max)
        .select(outbox_deliveries::event_id)
        .load(conn)
        .map_err(StoreError::from)
}

/// Of `due`, those that nobody else took meanwhile. That the first of a subject stays the first needs no
/// lock: an earlier one is never written later.
fn take(
    conn: &mut DbConn,
    destination: Destination,
    due: &[EventId],
    now: Timestamp,
    lease: EventId,
) -> Result<Vec<Claimed>, StoreError> {
    diesel::update(outbox_deliveries::table)
        .filter(outbox_deliveries::destination.eq(destination.as_str()))
        .filter(outbox_deliveries::event_id.eq_any(binds(due)))
        .filter(is_due!(now))
        .set((
            outbox_deliveries::next_at.eq(Bind(now.plus(LEASE))),
            outbox_deliveries::lease.eq(Some(Bind(lease))),
            outbox_deliveries::attempts.eq(outbox_deliveries::attempts + 1),
        ))
        .execute(conn)?;
    let rows = outbox_deliveries::table
        .inner_join(outbox::table)
        .filter(outbox_deliveries::destination.eq(destination.as_str()))
        .filter(outbox_deliveries::event_id.eq_any(binds(due)))
        .filter(outbox_deliveries::lease.eq(Some(Bind(lease))))
        .order(outbox_deliveries::event_id)
        .select((
            outbox::id,
            outbox::kind,
            outbox::body,
            outbox_deliveries::attempts,
        ))
        .load::<(EventId, String, String, i32)>(conn)?;
    Ok(rows
        .into_iter()
        .map(|(id, kind, body, attempts)| Claimed {
            id,
            kind,
            body,
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            lease: lease.to_string(),
        })
        .collect())
}

fn remove_delivered(conn: &mut DbConn, ids: &[EventId]) -> Result<(), StoreError> {
    diesel::delete(outbox::table)
        .filter(outbox::id.eq_any(binds(ids)))
        .filter(not(exists(
            outbox_deliveries::table.filter(outbox_deliveries::event_id.eq(outbox::id)),
        )))
        .execute(conn)?;
    Ok(())
}
