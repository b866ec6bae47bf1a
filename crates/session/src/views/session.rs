//! Sessions as their users see them.

use serde::{Deserialize, Serialize};
use ud_kernel::{SessionId, Timestamp, UserId};
use utoipa::{IntoParams, ToSchema};

use crate::models::session::Session;

/// One login of one user agent.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionResponse {
    /// Its id; opens nothing by itself.
    #[schema(value_type = String, format = Uuid)]
    pub id: SessionId,
    /// Whose it is.
    #[schema(value_type = String, format = Uuid)]
    pub user_id: UserId,
    /// When the user logged in.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last refreshed.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen_at: Timestamp,
    /// When it ends unless refreshed.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Client address of the last refresh.
    #[schema(required = true)]
    pub ip: Option<String>,
    /// `User-Agent` of the last refresh.
    #[schema(required = true)]
    pub user_agent: Option<String>,
    /// Whether the request itself was made with it.
    pub current: bool,
}

impl SessionResponse {
    /// `session` as seen from the session `current`.
    #[must_use]
    pub fn new(session: Session, current: SessionId) -> Self {
        Self {
            current: session.id == current,
            id: session.id,
            user_id: session.user_id,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            ip: session.ip,
            user_agent: session.user_agent,
        }
    }
}

/// One page of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionListResponse {
    /// Newest first.
    pub items: Vec<SessionResponse>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// Query of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListSessionsQuery {
    /// Whose sessions. Without `sessions:read` the answer has the caller's own, whatever is asked.
    #[param(value_type = Option<String>, format = Uuid)]
    pub user_id: Option<UserId>,
    /// Items of the page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<u8>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    pub cursor: Option<String>,
}

/// Which sessions to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseScope {
    /// All but the one that asks.
    Others,
    /// All.
    All,
}

/// Query of ending several sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CloseSessionsQuery {
    /// Which.
    #[param(inline)]
    pub scope: CloseScope,
    /// Whose; the caller's own unless given. Another's need `sessions:write`.
    #[param(value_type = Option<String>, format = Uuid)]
    pub user_id: Option<UserId>,
}
