//! Logging out: of one session, or of all.

use serde_json::json;
use ud_db::DbConn;
use ud_events::{EventType, NewEvent, outbox};
use ud_kernel::{Revocation, Service, SessionId, Timestamp, UserId, models::Provenance};

use crate::{
    models::{
        credential::{self, epoch::raise_epoch},
        error::AuthError,
        peers::told_or_pending,
    },
    state::AuthState,
};

/// Ends one session.
///
/// # Errors
/// [`AuthError::Store`] if neither the session service nor the outbox took the order.
pub async fn log_out(
    state: &AuthState,
    user_id: UserId,
    session_id: SessionId,
    origin: &Provenance,
) -> Result<Revocation, AuthError> {
    let direct = state.calls.close_one(user_id, session_id, origin).await;
    if told_or_pending(direct) == Revocation::Confirmed {
        return Ok(Revocation::Confirmed);
    }
    // Whoever repeats a logout while session is away writes nothing more.
    let is_on_its_way = move |conn: &mut DbConn| {
        let (kind, session) = (EventType::LOGOUT_REQUESTED, session_id.to_string());
        outbox::is_on_its_way(conn, *user_id.as_uuid(), kind, &session)
    };
    if state.db.read(is_on_its_way).await? {
        return Ok(Revocation::Pending);
    }
    let (now, event_origin) = (state.clock.now(), origin.clone());
    state
        .db
        .tx(move |conn| request_logout(conn, user_id, session_id, now, &event_origin))
        .await?;
    state.outbox.wake();
    Ok(Revocation::Pending)
}

fn request_logout(
    conn: &mut DbConn,
    user_id: UserId,
    session_id: SessionId,
    now: Timestamp,
    origin: &Provenance,
) -> Result<(), AuthError> {
    if !credential::store::take_event_number(conn, user_id)? {
        return Err(AuthError::CredentialNotFound);
    }
    let credential =
        credential::store::find(conn, user_id)?.ok_or(AuthError::CredentialNotFound)?;
    let (kind, sequence) = (EventType::LOGOUT_REQUESTED, credential.event_seq);
    let event = NewEvent::about(Service::Auth, kind, user_id, sequence, now, origin)
        .details(json!({ "session_id": session_id }));
    Ok(outbox::write(conn, event)?)
}

/// Ends every session of the user by raising the epoch.
///
/// # Errors
/// [`AuthError`]; nothing is changed then.
pub async fn log_out_everywhere(
    state: &AuthState,
    user_id: UserId,
    origin: &Provenance,
) -> Result<Revocation, AuthError> {
    let (now, event_origin) = (state.clock.now(), origin.clone());
    let epoch = state
        .db
        .tx(move |conn| {
            if !credential::store::take_event_number(conn, user_id)? {
                return Err(AuthError::CredentialNotFound);
            }
            raise_epoch(conn, user_id, None, now, &event_origin)
        })
        .await?;
    state.outbox.wake();
    state.failpoints.at("logout.epoch-raised").await;
    let direct = state.calls.close_below(user_id, epoch, None, origin).await;
    Ok(told_or_pending(direct))
}
