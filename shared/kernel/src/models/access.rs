use serde::{Deserialize, Serialize};

use super::Provenance;
use crate::{Timestamp, UserId};

/// `GET /internal/v1/users/{id}/access` at role (callers: auth, profile, session): what a user may do now.
/// `policy_version` is read before the roles, so that the answer is never older than it claims: a not-before of a change
/// can end a token that has the change already, but never miss one that has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Names of the roles in effect, sorted; always contains `user`.
    pub roles: Vec<String>,
    /// Their permissions, sorted, each once; `["*"]` for an administrator.
    pub permissions: Vec<String>,
    /// Counter raised by every change of a role or an assignment.
    pub policy_version: i64,
    /// The first end of an assignment reflected here, if one ends.
    pub valid_until: Option<Timestamp>,
}

/// `POST /internal/v1/administrators` at role (caller: profile): makes the first administrator. 201 once;
/// 200 again for the same user; 409 `role.administrator-exists` for another.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstAdministrator {
    /// Who becomes it.
    pub user_id: UserId,
    /// Where the request came from.
    pub origin: Provenance,
}
