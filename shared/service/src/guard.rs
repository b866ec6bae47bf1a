//! Whether a caller with an access token is let in.

use std::time::Duration;

use ud_jwt::{
    LEEWAY_SECS, Refusal, TokenError, Verifier,
    revocation::{RevocationError, Sensitivity, SessionChecker},
};
use ud_kernel::{Code, UserId};

use crate::{AccessRule, Caller, Limits, RowScope, SecurityLog};

/// How long after a login (claim `auth_time`) the operations of [`crate::Fresh`] are open to it.
pub const MAX_LOGIN_AGE: Duration = Duration::from_secs(300);

/// Why a caller with an access token is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthFailure {
    /// The token is not a good one of this issuer; why is for the log.
    #[error("the access token is refused: {0}")]
    TokenInvalid(Refusal),
    /// Rights that it carries were taken away.
    #[error("the access token is stale")]
    TokenStale,
    /// Its session is closed.
    #[error("the session is closed")]
    SessionClosed,
    /// The issuer's keys are not known.
    #[error("the issuer's keys are not known")]
    KeysUnavailable,
    /// Nobody tells whether its session lives.
    #[error("nobody tells whether the session lives")]
    RevocationUnavailable,
    /// It lacks the permission.
    #[error("user {0} lacks the permission")]
    PermissionDenied(UserId),
    /// Its login is [`MAX_LOGIN_AGE`] old or older.
    #[error("the login is too old")]
    ReauthenticationRequired,
}

impl AuthFailure {
    /// Returns the code of the problem document that the caller gets.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TokenInvalid(_) => Code::AUTH_TOKEN_INVALID,
            Self::TokenStale => Code::AUTH_TOKEN_STALE,
            Self::SessionClosed => Code::AUTH_SESSION_CLOSED,
            Self::KeysUnavailable => Code::AUTH_KEYS_UNAVAILABLE,
            Self::RevocationUnavailable => Code::AUTH_REVOCATION_UNAVAILABLE,
            Self::PermissionDenied(_) => Code::AUTH_PERMISSION_DENIED,
            Self::ReauthenticationRequired => Code::AUTH_REAUTHENTICATION_REQUIRED,
        }
    }

    /// Returns whether the same token may be accepted later.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::KeysUnavailable | Self::RevocationUnavailable)
    }
}

/// A caller who was let in.
pub struct Admitted {
    /// Who calls.
    pub caller: Caller,
    /// Whose things they may see or touch.
    pub scope: RowScope,
    /// Whether they proved lately who they are.
    pub is_fresh: bool,
}

/// Verifies access tokens and asks whether their session still lives. One for a whole process.
#[derive(Clone)]
pub struct TokenGuard {
    verifier: Verifier,
    sessions: SessionChecker,
    log: Option<SecurityLog>,
    limits: Option<Limits>,
}

impl TokenGuard {
    /// Checks signatures with `verifier` and revocation with `sessions`.
    #[must_use]
    pub const fn new(verifier: Verifier, sessions: SessionChecker) -> Self {
        Self {
            verifier,
            sessions,
            log: None,
            limits: None,
        }
    }

    /// The same guard, telling refusals to `log`.
    #[must_use]
    pub fn with_log(&self, log: SecurityLog) -> Self {
        Self {
            log: Some(log),
            ..self.clone()
        }
    }

    /// The same guard, counting by `limits`. Without, whatever has a limit answers 500.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self {
            limits: Some(limits),
            ..self.clone()
        }
    }

    /// Returns what takes refusals for the audit log.
    #[must_use]
    pub const fn log(&self) -> Option<&SecurityLog> {
        self.log.as_ref()
    }

    /// Returns the counts of the service's operations.
    #[must_use]
    pub const fn limits(&self) -> Option<&Limits> {
        self.limits.as_ref()
    }

    /// Returns the verifier of access tokens.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Returns what checks whether sessions live.
    #[must_use]
    pub const fn sessions(&self) -> &SessionChecker {
        &self.sessions
    }

    /// Whether the caller proved less than [`MAX_LOGIN_AGE`] ago who they are. What lies further ahead than clocks may
    /// differ was proved at a time that nobody knows.
    fn is_fresh(&self, caller: &Caller) -> bool {
        let now = self.verifier.clock().now().as_secs();
        let age = now.saturating_sub(caller.0.claims().auth_time);
        let longest = i64::try_from(MAX_LOGIN_AGE.as_secs()).unwrap_or(i64::MAX);
        (-LEEWAY_SECS..longest).contains(&age)
    }

    /// Returns the caller that a token stands for, in a request of such sensitivity.
    ///
    /// # Errors
    /// [`AuthFailure`], but for permissions and the age of the login.
    pub async fn authenticate(
        &self,
        token: &str,
        sensitivity: Sensitivity,
    ) -> Result<Caller, AuthFailure> {
        let token = self.verifier.verify(token).await.map_err(|e| match e {
            TokenError::KeysUnavailable => AuthFailure::KeysUnavailable,
            TokenError::Invalid(why) => AuthFailure::TokenInvalid(why),
        })?;
        match self.sessions.check_for(&token, sensitivity).await {
            Ok(()) => Ok(Caller(token)),
            Err(RevocationError::Closed) => Err(AuthFailure::SessionClosed),
            Err(RevocationError::Stale) => Err(AuthFailure::TokenStale),
            Err(RevocationError::Unavailable) => Err(AuthFailure::RevocationUnavailable),
        }
    }

    /// Lets the caller with `token` in if rule `A` does.
    ///
    /// # Errors
    /// [`AuthFailure`].
    pub async fn admit<A: AccessRule>(&self, token: &str) -> Result<Admitted, AuthFailure> {
        let caller = self.authenticate(token, A::SENSITIVITY).await?;
        if let Some(context) = ud_telemetry::current() {
            context.set_user_id(caller.user_id());
        }
        let Some(scope) = A::scope(&caller) else {
            return Err(AuthFailure::PermissionDenied(caller.user_id()));
        };
        let is_fresh = self.is_fresh(&caller);
        // After the permission: whoever lacks that need not give their password again.
        if A::FRESH && !is_fresh {
            return Err(AuthFailure::ReauthenticationRequired);
        }
        Ok(Admitted {
            caller,
            scope,
            is_fresh,
        })
    }
}
