//! A user's epoch: raising it ends every session that began before.

use serde_json::json;
use ud_db::DbConn;
use ud_events::{EventType, NewEvent, outbox};
use ud_kernel::{Service, SessionId, Timestamp, UserId, models::Provenance};

use super::store;
use crate::models::error::AuthError;

/// Raises the epoch and writes the event that says so, under the number taken before in this transaction.
/// Returns the new epoch.
pub fn raise_epoch(
    conn: &mut DbConn,
    user_id: UserId,
    except_session_id: Option<SessionId>,
    now: Timestamp,
    origin: &Provenance,
) -> Result<i64, AuthError> {
    store::raise_epoch(conn, user_id, now)?;
    let credential = store::find(conn, user_id)?.ok_or(AuthError::CredentialNotFound)?;
    write_epoch_event(
        conn,
        user_id,
        credential.epoch,
        credential.event_seq,
        except_session_id,
        now,
        origin,
    )?;
    Ok(credential.epoch)
}

/// Writes the event of a raised epoch, under the number `sequence` of the user's events.
///
/// # Errors
/// [`AuthError::Store`].
pub fn write_epoch_event(
    conn: &mut DbConn,
    user_id: UserId,
    epoch: i64,
    sequence: i64,
    except_session_id: Option<SessionId>,
    now: Timestamp,
    origin: &Provenance,
) -> Result<(), AuthError> {
    let mut details = serde_json::Map::from_iter([("min_epoch".to_owned(), json!(epoch))]);
    if let Some(except) = except_session_id {
        details.insert("except_session_id".to_owned(), json!(except));
    }
    let kind = EventType::CREDENTIALS_EPOCH_RAISED;
    let event =
        NewEvent::about(Service::Auth, kind, user_id, sequence, now, origin).details(details);
    Ok(outbox::write(conn, event)?)
}
