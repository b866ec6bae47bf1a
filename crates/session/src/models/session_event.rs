//! The events about sessions: one place that says what each carries, for both stores.

use serde_json::json;
use ud_events::{EventType, NewEvent};
use ud_kernel::{Service, SessionId, Timestamp, UserId, models::Origin};

/// Something that happened to a session, as a store notes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEvent {
    /// `user_logged_in`, `user_reauthenticated`, `session_closed`, `refresh_token_reused` or `refresh_token_replayed`.
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
    pub origin: Origin,
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
        } = self;
        let event = NewEvent::about(Service::Session, kind, session_id, sequence, at, &origin);
        let user = json!({ "user_id": user_id });
        match kind {
            // The request was anonymous; who logged in is its actor from now on.
            EventType::UserLoggedIn | EventType::UserReauthenticated => {
                event.actor(user_id).after(user)
            }
            EventType::RefreshTokenReused => event
                .failed()
                .before(user)
                .after(json!({ "closed": reason })),
            EventType::SessionClosed => event.before(user).after(json!({ "closed": reason })),
            _ => event.before(user),
        }
    }
}
