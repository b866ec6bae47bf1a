use serde::{Deserialize, Serialize};

use super::Provenance;
use crate::{Timestamp, UserId};

/// What a password must not contain, beside the identifiers auth knows itself (SECURITY rule 9).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordContext {
    /// The user's own data: given name, family name, phone, ...
    pub words: Vec<String>,
}

/// `PUT /internal/v1/credentials/{user_id}` at auth (caller: profile): the commit point of a registration.
/// 201 [`Credential`]; 200 [`Credential`] and no change if the user id has one already; 409
/// `user.email-taken` or `user.username-taken`; 422 with pointers `/email`, `/username`, `/password`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateCredential {
    /// As the user wrote it; auth keeps the canonical form beside it.
    pub email: String,
    /// As the user wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Clear text; lives for this one call.
    pub password: String,
    /// For the password policy.
    #[serde(default)]
    pub context: PasswordContext,
    /// Where the request came from.
    pub origin: Provenance,
}

impl std::fmt::Debug for CreateCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CreateCredential(..)")
    }
}

/// `GET /internal/v1/credentials/{user_id}` at auth (caller: profile, role).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Whose it is.
    pub user_id: UserId,
    /// As stored for sending mail.
    pub email: String,
    /// Canonical form.
    pub username: Option<String>,
    /// Whether it may log in.
    pub status: CredentialStatus,
    /// Raised whenever every session so far must end.
    pub epoch: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whether a credential may log in. Follows the user's status at profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialStatus {
    /// May log in.
    Active,
    /// May not, until reactivated.
    Suspended,
    /// May never again; identifiers are gone.
    Deleted,
}

impl CredentialStatus {
    /// As stored and as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }
}

/// `PUT /internal/v1/credentials/{user_id}/status` at auth (caller: profile). Older than what auth has seen
/// (by `sequence`) changes nothing and answers 200 all the same. 404 `auth.credential-not-found`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCredentialStatus {
    /// The new status.
    pub status: CredentialStatus,
    /// `sequence` of the event by which profile tells the same: the later of two changes wins, whichever way
    /// and in whichever order they arrive.
    pub sequence: i64,
    /// Where the request came from.
    pub origin: Provenance,
}

/// Answer to [`SetCredentialStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialStatusChanged {
    /// The epoch in force now.
    pub epoch: i64,
    /// Whether the session service confirmed that every older session is closed. If not, auth's event
    /// `credentials_epoch_raised` will do it, and the caller answers with `Revocation: pending`.
    pub sessions_closed: bool,
}

/// `POST /internal/v1/credentials/{user_id}/unlock` at auth (caller: profile): makes a code for the account's owner in place
/// of an earlier one. 200 with [`CredentialUnlocked`]; 404 `auth.credential-not-found`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnlockCredential {
    /// Where the request came from.
    pub origin: Provenance,
}

/// Answer to [`UnlockCredential`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialUnlocked {
    /// 8 characters that the owner sends with a login, once.
    pub unlock_code: String,
    /// Seconds until it ends.
    pub expires_in: u64,
}

impl std::fmt::Debug for CredentialUnlocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CredentialUnlocked(..)")
    }
}
