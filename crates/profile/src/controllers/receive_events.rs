//! `POST /internal/v1/events`

use ud_db::DbConn;
use ud_events::{ApplyError, Event, EventType};
use ud_kernel::{Clock, UserId};

use crate::models::activate;

/// Applies an event of another service. Of those that come here only `credentials_created` means something:
/// auth has stored what the registration needs.
///
/// # Errors
/// [`ApplyError`].
pub fn apply(conn: &mut DbConn, event: &Event, clock: &Clock) -> Result<(), ApplyError> {
    if event.kind == EventType::CredentialsCreated {
        let id = UserId::from_uuid(event.subject);
        activate(conn, id, None, &event.origin(), clock.now())?;
    }
    Ok(())
}
