//! All of it for a service with an SQL database.

use std::time::Duration;

use tokio::time::sleep;
use ud_db::{Db, DbConn, StoreError};
use ud_service::{ServiceContext, StopSignal, Task, stop_in_order};

use crate::{
    ApplyError, Batch, Event, Inbox, NewEvent, OutboxError, OutboxHandle, PeerTransport, Receipt,
    Relay, SqlOutbox, outbox, record_security_events,
};

const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Outbox, inbox and their background work. Clones are the same.
#[derive(Clone)]
pub struct SqlEvents {
    db: Db,
    context: ServiceContext,
    handle: OutboxHandle,
    inbox: Inbox,
}

impl SqlEvents {
    /// Returns those of the service of `context`, in whose database [`crate::MIGRATIONS`] are applied.
    #[must_use]
    pub fn new(db: Db, context: &ServiceContext) -> Self {
        let inbox = Inbox::new(db.clone(), context.clock.clone());
        Self {
            db,
            context: context.clone(),
            handle: OutboxHandle::new(),
            inbox,
        }
    }

    /// To be called after a commit that wrote events.
    pub fn wake(&self) {
        self.handle.wake();
    }

    /// What flows keep to wake the relay.
    #[must_use]
    pub const fn handle(&self) -> &OutboxHandle {
        &self.handle
    }

    /// [`Inbox::receive`], and wakes the relay for what `apply` wrote.
    ///
    /// # Errors
    /// As [`Inbox::receive`].
    pub async fn receive<F>(&self, batch: Batch, apply: F) -> Result<Receipt, StoreError>
    where
        F: Fn(&mut DbConn, &Event) -> Result<(), ApplyError> + Send + Sync + 'static,
    {
        let receipt = self.inbox.receive(batch, apply).await;
        self.wake();
        receipt
    }

    /// The background work: the relay, the inbox's forgetting, and the writing of security events, which at a stop comes
    /// before the relay's last batch.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        let (relay, forget, security_events) = (self.clone(), self.clone(), self.clone());
        vec![
            stop_in_order(
                Box::new(move |stop| Box::pin(security_events.security_events(stop))),
                Box::new(move |stop| Box::pin(relay.relay(stop))),
            ),
            Box::new(move |stop| Box::pin(forget.forget(stop))),
        ]
    }

    async fn relay(self, mut stop: StopSignal) {
        let ServiceContext {
            service,
            clock,
            metrics,
            peers,
            ..
        } = &self.context;
        let outbox = SqlOutbox::new(self.db.clone(), clock.clone());
        let transport = PeerTransport::new(peers);
        let handle = self.handle.clone();
        let relay = Relay::new(*service, outbox, transport, handle, clock.clone(), metrics);
        relay.run(async move { stop.stopped().await }).await;
    }

    async fn forget(self, mut stop: StopSignal) {
        loop {
            if let Err(error) = self.inbox.forget_old().await {
                log::debug!("old events not forgotten: {error}");
            }
            tokio::select! {
                () = sleep(FORGET_EVERY) => {}
                () = stop.stopped() => return,
            }
        }
    }

    async fn security_events(self, stop: StopSignal) {
        let Some(queue) = self.context.take_security_events().await else {
            return;
        };
        let ServiceContext {
            service,
            security_log,
            ..
        } = self.context.clone();
        let write = |events| self.write_all(events);
        record_security_events(service, security_log, queue, write, stop).await;
    }

    /// Writes events that belong to no other change, in one transaction, and wakes the relay.
    ///
    /// # Errors
    /// [`OutboxError`] if the store fails; then none is written.
    pub async fn write_all(&self, events: Vec<NewEvent>) -> Result<(), OutboxError> {
        self.db
            .tx(move |conn| {
                events
                    .iter()
                    .try_for_each(|new| outbox::write(conn, new.clone()))
            })
            .await?;
        self.wake();
        Ok(())
    }
}
