//! What a service has to say and has not said yet.

mod sql;

use std::future::Future;

use tokio::sync::watch;
use ud_kernel::{EventId, Timestamp};

use crate::Destination;

pub use sql::{SqlOutbox, is_on_its_way, write, write_also};

/// The store of the outbox failed; what was asked may or may not have been done. Everything the relay asks
/// for can be asked again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("outbox: {0}")]
pub struct OutboxError(pub String);

/// One event for one destination, which the process that claimed it alone sends until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The event.
    pub id: EventId,
    /// Its type, for the log.
    pub kind: String,
    /// The event in JSON, as stored.
    pub body: String,
    /// How often it was claimed, this time included.
    pub attempts: u32,
    /// The store's own mark of this claim; the relay hands it back as it is.
    pub lease: String,
}

/// Why a delivery waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Postponed {
    /// The destination could not be reached, or could not store it now.
    Unreachable,
    /// The destination refused this one event. Later events of its subject wait behind it.
    Parked,
}

/// Events that are stored and not yet delivered everywhere: a pair of SQL tables ([`crate::SqlOutbox`]), or
/// the session service's Redis stream. A service that writes an event in the transaction of the change it
/// tells of has it delivered to each destination at least once, and in order per subject.
pub trait Outbox: Send + Sync + 'static {
    /// Up to `max` deliveries to `destination`: of each subject the one with the lowest sequence that is not
    /// delivered yet, unless it waits or is claimed. No two callers get the same delivery while its lease
    /// lasts. What waits for longer than anything may (a clock was ahead) is due.
    fn claim(
        &self,
        destination: Destination,
        max: usize,
    ) -> impl Future<Output = Result<Vec<Claimed>, OutboxError>> + Send;

    /// `destination` has these for good, whoever holds their leases by now.
    fn delivered(
        &self,
        destination: Destination,
        claimed: &[Claimed],
    ) -> impl Future<Output = Result<(), OutboxError>> + Send;

    /// Gives the claims back, to be claimed again from `until` on. A claim that is no longer the caller's
    /// stays as it is.
    fn postpone(
        &self,
        destination: Destination,
        claimed: &[Claimed],
        until: Timestamp,
        why: Postponed,
    ) -> impl Future<Output = Result<(), OutboxError>> + Send;

    /// When the oldest event that `destination` does not have was made.
    fn oldest(
        &self,
        destination: Destination,
    ) -> impl Future<Output = Result<Option<Timestamp>, OutboxError>> + Send;

    /// Removes what every destination has. Called when the relay starts, and now and then: a process killed
    /// after its last delivery leaves such remains.
    fn tidy(&self) -> impl Future<Output = Result<(), OutboxError>> + Send;
}

/// Wakes the relay of the same process. Clones wake the same relay.
#[derive(Debug, Clone)]
pub struct OutboxHandle(watch::Sender<()>);

impl OutboxHandle {
    /// A handle, to be given to the flows that write events and to the one relay that sends them.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// Something was committed that the relay should send. Does not wait; without this call the relay finds
    /// it within a second.
    pub fn wake(&self) {
        self.0.send_replace(());
    }

    /// Sees each call of [`OutboxHandle::wake`] from now on.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

impl Default for OutboxHandle {
    fn default() -> Self {
        Self::new()
    }
}
