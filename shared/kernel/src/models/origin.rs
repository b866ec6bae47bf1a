use serde::{Deserialize, Serialize};

/// Where a change came from, carried along internal calls so that the event and the audit record tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The gateway's id of the request that caused it; of our own making where no request did.
    pub request_id: String,
    /// Client address, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// `User-Agent`, at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The user who asked for it; none for the platform's own doing and for anonymous requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<crate::UserId>,
}
