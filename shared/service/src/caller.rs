//! Who makes a request.

use std::sync::Arc;

use ud_jwt::VerifiedToken;
use ud_kernel::{SessionId, UserId, permission};

/// The user who makes a request, as their access token says.
#[derive(Clone)]
pub struct Caller(pub(crate) Arc<VerifiedToken>);

impl Caller {
    /// Claim `sub`.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.0.claims().sub
    }

    /// Claim `sid`.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.0.claims().sid
    }

    /// Claim `roles`.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.claims().roles
    }

    /// Claim `permissions`.
    #[must_use]
    pub fn permissions(&self) -> &[String] {
        &self.0.claims().permissions
    }

    /// Whether the token carries `permission`, or `*`.
    #[must_use]
    pub fn may(&self, permission: &str) -> bool {
        permission::holds(self.permissions(), permission)
    }

    /// The whole verified token.
    #[must_use]
    pub fn token(&self) -> &VerifiedToken {
        &self.0
    }
}
