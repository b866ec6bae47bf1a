//! The events about sessions: one place that says what each carries, for both stores.

use serde_json::json;
use ud_events::{EventType, NewEvent};
use ud_kernel::{Service, SessionId, Timestamp, UserId, models::Provenance};

/// Something that happened to a session, as a store notes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEvent {
    /// `user_logged_in`, `user_reauthenticated`, `session_closed`, `refresh_token_reused`,
    /// `refresh_token_replayed` or `refresh_token_repeated_late`.
    pub kind: EventType,
    /// To which session.
    pub session_id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The session's own counter of events.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// Why it ended, if it did.
    pub reason: Option<String>,
    /// Where the request that caused it came from.
    pub origin: Provenance,
    /// Tells, of a late repetition, where the refresh token was last rotated from.
    pub rotated_from: Option<Source>,
}

/// Where a request came from, as a session remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The client's address.
    pub ip: Option<String>,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
}

impl SessionEvent {
    /// The event to write.
    #[must_use]
    pub fn into_new_event(self) -> NewEvent {
        let Self {
            kind,
            session_id,
            user_id,
            sequence,
            at,
            reason,
            origin,
            rotated_from,
        } = self;
        let event = NewEvent::about(Service::Session, kind, session_id, sequence, at, &origin);
        let user = json!({ "user_id": user_id });
        match kind {
            // The request was anonymous; who logged in is its actor from now on.
            EventType::USER_LOGGED_IN | EventType::USER_REAUTHENTICATED => {
                event.actor(user_id).after(user)
            }
            EventType::REFRESH_TOKEN_REUSED => event
                .failed()
                .before(user)
                .after(json!({ "closed": reason })),
            EventType::SESSION_CLOSED => event.before(user).after(json!({ "closed": reason })),
            EventType::REFRESH_TOKEN_REPEATED_LATE => {
                let from = rotated_from.map(|s| json!({"ip": s.ip, "user_agent": s.user_agent}));
                event.before(json!({ "user_id": user_id, "rotated_from": from }))
            }
            _ => event.before(user),
        }
    }
}
