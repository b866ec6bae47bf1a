//! Bodies about signing keys.

use serde::Serialize;
use ud_kernel::Timestamp;
use utoipa::ToSchema;

use crate::{flows::signing_keys::KeyDescription, models::signing_key::KeyState};

/// A key that signs access tokens; nothing private.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyResponse {
    /// As in the JWK set and in the header of tokens.
    pub kid: String,
    /// As in the header of tokens.
    #[schema(example = "EdDSA")]
    pub algorithm: String,
    /// `published`: in the JWK set, does not sign yet. `active`: signs. `retired`: verifies until the last token it
    /// signed has ended. `revoked`: its tokens are refused.
    pub state: KeyStateName,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub activates_at: Timestamp,
    /// When it stopped signing.
    pub retired_at: Option<Timestamp>,
    /// Until when a retired key is in the JWK set.
    pub verifies_until: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Where in its life a key is.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeyState)]
pub enum KeyStateName {
    /// Does not sign yet.
    Published,
    /// Signs.
    Active,
    /// Verifies only.
    Retired,
    /// Its tokens are refused.
    Revoked,
}

impl From<KeyState> for KeyStateName {
    fn from(state: KeyState) -> Self {
        match state {
            KeyState::Published => Self::Published,
            KeyState::Active => Self::Active,
            KeyState::Retired => Self::Retired,
            KeyState::Revoked => Self::Revoked,
        }
    }
}

impl From<KeyDescription> for KeyResponse {
    fn from(key: KeyDescription) -> Self {
        Self {
            kid: key.kid,
            algorithm: key.algorithm,
            state: key.state.into(),
            created_at: key.created_at,
            activates_at: key.activates_at,
            retired_at: key.retired_at,
            verifies_until: key.verifies_until,
            revoked_at: key.revoked_at,
        }
    }
}

/// The signing keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyListResponse {
    /// The newest first.
    pub items: Vec<KeyResponse>,
}
