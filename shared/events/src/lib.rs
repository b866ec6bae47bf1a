#![doc = include_str!("../README.md")]

mod backoff;
mod batch;
mod destination;
mod envelope;
mod inbox;
mod new_event;
pub mod outbox;
mod personal;
#[cfg(feature = "http")]
mod receive;
mod relay;
pub mod schema;
mod security_events;
mod sql_events;
mod transport;

pub use batch::{Batch, BatchError, MAX_BATCH_BYTES, parse_batch};
pub use destination::Destination;
pub use envelope::{EnvelopeError, Event, EventData, MAX_EVENT_BYTES, Outcome};
pub use inbox::{ApplyError, Inbox};
pub use new_event::NewEvent;
pub use outbox::{Claimed, Outbox, OutboxError, OutboxHandle, Postponed, SqlOutbox};
pub use personal::MASK;
#[cfg(feature = "http")]
pub use receive::offer_events;
pub use relay::{LEASE, LONGEST_LEASE, LONGEST_WAIT, Relay, Step};
pub use schema::MIGRATIONS;
pub use security_events::record_security_events;
pub use sql_events::SqlEvents;
pub use transport::{
    BATCH_CONTENT_TYPE, DeliverEvents, EVENTS_PATH, MAX_BATCH, PeerTransport, Receipt, Transport,
    TransportError,
};
pub use ud_kernel::EventType;
