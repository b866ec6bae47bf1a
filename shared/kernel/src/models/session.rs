use serde::{Deserialize, Serialize};

use super::{FeedKnown, FeedPosition, Provenance};
use crate::{SessionId, Timestamp, UserId};

/// `PUT /internal/v1/sessions/{session_id}` at session (caller: auth). 201 [`SessionGrant`]; 200 the same
/// again for a repeated id; 409 `session.epoch-too-old` or `session.policy-stale`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    /// Whose session.
    pub user_id: UserId,
    /// The credential's epoch, as read under the password check.
    pub epoch: i64,
    /// `policy_version` of the access the token will carry.
    pub pv: i64,
    /// Roles the token will carry; compared with the not-befores of roles.
    pub roles: Vec<String>,
    /// SHA-256 of the refresh chain's nonce, base64url without padding.
    pub nonce_hash: String,
    /// Id of the key that tags the refresh token.
    pub key_id: String,
    /// Now, by auth's clock.
    pub now: Timestamp,
    /// Lifetime of access tokens, in seconds.
    pub access_ttl: u32,
    /// The access token never outlives this (first end of an assignment it reflects).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_until: Option<Timestamp>,
    /// Seconds without a refresh after which the session ends.
    pub idle: u32,
    /// Seconds after login at which the session ends.
    pub absolute: u32,
    /// How the user proved who they are (RFC 8176): `["pwd"]`.
    pub amr: Vec<String>,
    /// Client address and agent are shown to the user in the list of sessions.
    pub origin: Provenance,
}

/// `POST /internal/v1/sessions/rotate` at session (caller: auth): the commit point of a refresh. 200
/// [`SessionGrant`]; 401 `session.closed` (unknown, closed, expired, or closed just now for reuse); 409
/// `session.epoch-too-old` or `session.policy-stale`, and nothing is rotated.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateSession {
    /// Which session.
    pub session_id: SessionId,
    /// Whose auth thinks it is; another owner is `session.closed` without effect.
    pub user_id: UserId,
    /// SHA-256 of the nonce in the token; another nonce is `session.closed` without effect.
    pub nonce_hash: String,
    /// The counter in the token.
    pub counter: i64,
    /// Id of the key auth would tag a successor with.
    pub key_id: String,
    /// The credential's epoch.
    pub epoch: i64,
    /// `policy_version` of the access the token will carry.
    pub pv: i64,
    /// Roles the token will carry.
    pub roles: Vec<String>,
    /// Now, by auth's clock.
    pub now: Timestamp,
    /// Lifetime of access tokens, in seconds.
    pub access_ttl: u32,
    /// The access token never outlives this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_until: Option<Timestamp>,
    /// Seconds without a refresh after which the session ends: the smaller of this and the stored one holds.
    pub idle: u32,
    /// Seconds after login at which the session ends: the smaller of this and the stored one holds.
    pub absolute: u32,
    /// The user has just proved again who they are: `auth_time` becomes `now`, in a repeated rotation too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reauthenticated: bool,
    /// Whether the session may change or delete things of this platform: then no late repetition is answered. Auth of
    /// the version before does not say, and is taken at the stricter.
    #[serde(default = "is_privileged_unless_told")]
    pub privileged: bool,
    /// Ids of the keys auth can tag with: a late repetition whose successor it could not make has no effect.
    #[serde(default)]
    pub key_ids: Vec<String>,
    /// Compared with the last one to notice a replay from elsewhere.
    pub origin: Provenance,
}

const fn is_privileged_unless_told() -> bool {
    true
}

/// What a created or rotated session allows auth to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionGrant {
    /// The session.
    pub session_id: SessionId,
    /// Counter the refresh token must carry now.
    pub counter: i64,
    /// Key id the refresh token must be tagged with: kept by the session, so that a repeated rotation gives the
    /// same bytes across a key change.
    pub key_id: String,
    /// `iat` of the access token.
    pub issued_at: Timestamp,
    /// `exp` of the access token.
    pub access_expires_at: Timestamp,
    /// When the session ends unless refreshed.
    pub refresh_expires_at: Timestamp,
    /// `auth_time` of the access token: when the user logged in, or last proved again who they are.
    pub authenticated_at: Timestamp,
    /// `amr` of the access token.
    pub amr: Vec<String>,
    /// Incarnation of the store; claim `inc`.
    pub incarnation: String,
}

/// `POST /internal/v1/sessions/close` at session (caller: auth). 200 [`SessionsClosed`]. Without
/// `session_id`: raises the user's `min_epoch` and closes every session below it. With `session_id`: closes
/// that one session if it is the user's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseSessions {
    /// Whose sessions.
    pub user_id: UserId,
    /// Sessions of a smaller epoch end, and none can be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_epoch: Option<i64>,
    /// Stays open, and gets the new epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except_session_id: Option<SessionId>,
    /// Only this one (logout).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Where the request came from.
    pub origin: Provenance,
}

/// Answer to [`CloseSessions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsClosed {
    /// How many were open.
    pub closed: u32,
}

/// `POST /internal/v1/not-before` at session (caller: role): tokens of this user, or carrying this role, whose
/// `pv` is below `min_pv` are stale. 204. Exactly one of `user_id` and `role` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotBefore {
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The role's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The first policy version that is good.
    pub min_pv: i64,
}

/// `POST /internal/v1/revoked-keys` at session (caller: auth): tokens signed by this key are stale. 204; the same again
/// changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedKey {
    /// The key's id, as in the JWK set.
    pub kid: String,
    /// Until when it is remembered: long after every verifier has dropped the key with the JWK set, for whoever has
    /// its private half signs tokens of any age.
    pub until: Timestamp,
}

/// Query of `GET /internal/v1/sessions/{id}/state` at session (callers: all services).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionStateQuery {
    /// Claim `sub`.
    pub user_id: UserId,
    /// Claim `pv`.
    pub pv: i64,
    /// Claim `inc`.
    pub inc: String,
    /// Claim `roles`, joined with commas.
    pub roles: String,
    /// Header parameter `kid`: the key that signed it.
    pub kid: String,
    /// The store's incarnation in the caller's copy of the revocation feed, with
    /// [`SessionStateQuery::feed_position`]: a store that has gone back behind it is found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed_incarnation: Option<String>,
    /// The last entry the caller has of that feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed_position: Option<FeedPosition>,
    /// Session's own tag on both; without it they are not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed_tag: Option<String>,
}

impl SessionStateQuery {
    /// How far the caller knows the feed.
    #[must_use]
    pub fn known(&self) -> Option<FeedKnown> {
        Some(FeedKnown {
            incarnation: self.feed_incarnation.clone()?,
            position: self.feed_position?,
            tag: self.feed_tag.clone(),
        })
    }

    /// The same question without the claim.
    #[must_use]
    pub fn without_claim(self) -> Self {
        Self {
            feed_incarnation: None,
            feed_position: None,
            feed_tag: None,
            ..self
        }
    }
}

/// Whether a token of a session may still be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// The session lives and the token is of its policy.
    Good,
    /// The session is closed, expired, unknown, of another user or of another incarnation.
    Closed,
    /// The token's `pv` is below a not-before, though the session lives; or the key that signed it was revoked.
    Stale,
}

/// Answer to [`SessionStateQuery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStateResponse {
    /// The state.
    pub state: SessionState,
}
