//! Refusals and reads by permission on their way to the audit log (SECURITY rule 33).

use std::time::Duration;

use serde_json::json;
use tokio::{sync::mpsc, time::MissedTickBehavior};
use ud_db::{Db, DbConn, StoreError};
use ud_events::{EventType, NewEvent, OutboxHandle, outbox};
use ud_http::{SecurityLog, SecurityNotice, StopSignal};
use ud_kernel::{Clock, Service};

/// Written in one transaction at most.
const AT_ONCE: usize = 50;
/// How often what was only counted is asked for.
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// Between two attempts while the database is away; notices wait in their queue meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes security notices to the outbox.
pub struct Notices {
    db: Db,
    outbox: OutboxHandle,
    clock: Clock,
    log: SecurityLog,
}

impl Notices {
    /// Writes to `db`, wakes `outbox`, and asks `log` now and then for what it only counted.
    #[must_use]
    pub const fn new(db: Db, outbox: OutboxHandle, clock: Clock, log: SecurityLog) -> Self {
        Self { db, outbox, clock, log }
    }

    /// Writes what comes until `stop` says so, and what waits then.
    pub async fn run(self, mut queue: mpsc::Receiver<SecurityNotice>, mut stop: StopSignal) {
        let mut flush = tokio::time::interval(FLUSH_EVERY);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(AT_ONCE);
        loop {
            tokio::select! {
                count = queue.recv_many(&mut batch, AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                }
                _ = flush.tick() => self.log.flush(),
                () = stop.stopped() => break,
            }
            while !batch.is_empty() && !self.try_write(&mut batch).await {
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = stop.stopped() => break,
                }
            }
        }
        self.log.flush();
        while let Ok(notice) = queue.try_recv() {
            batch.push(notice);
        }
        if !batch.is_empty() && !self.try_write(&mut batch).await {
            log::warn!("{} security notices are lost: the database is away", batch.len());
        }
    }

    /// Writes and empties `batch`; false if it has to be tried again.
    async fn try_write(&self, batch: &mut Vec<SecurityNotice>) -> bool {
        match self.write(batch.clone()).await {
            Ok(()) => {
                self.outbox.wake();
                batch.clear();
                true
            }
            Err(error) if error.is_temporary() => false,
            Err(error) => {
                log::error!("{} security notices are lost: {error}", batch.len());
                batch.clear();
                true
            }
        }
    }

    /// Writes `notices` in one transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn write(&self, notices: Vec<SecurityNotice>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let events: Vec<NewEvent> = notices
            .iter()
            .filter_map(|notice| {
                let kind = EventType::from_name(notice.event);
                if kind.is_none() {
                    log::error!("no event is called {}", notice.event);
                }
                let event = NewEvent::alone(Service::Profile, kind?, now, &notice.origin)
                    .target_named(notice.target_type, &notice.target_id);
                let event = if kind == Some(EventType::AdminRead) { event } else { event.failed() };
                Some(if notice.count > 1 {
                    event.details(json!({"count": notice.count}))
                } else {
                    event
                })
            })
            .collect();
        self.db
            .tx(move |conn: &mut DbConn| {
                events.iter().try_for_each(|event| outbox::write(conn, event.clone()))
            })
            .await
    }
}
