//! Who may call a handler stands in its argument's type: `Authed<RolesWrite>`, `Authed<OwnOr<UsersRead>>`,
//! `Authed<Own>`, and `Authed<Fresh<RolesWrite>>` for those who proved lately who they are. A handler that takes none
//! of them is open to everybody.

use std::{future::Future, marker::PhantomData, pin::Pin, sync::Arc, time::Duration};

use actix_web::{FromRequest, HttpRequest, dev, http::header, web};
use ud_jwt::{
    LEEWAY_SECS, TokenError, VerifiedToken, Verifier,
    revocation::{RevocationError, SessionChecker, Stakes},
};
use ud_kernel::{Code, SessionId, UserId, models::Origin, permission};

use crate::{
    Limits, Problem, SecurityLog, limited::RuleLimit, origin::origin_of, permissions::Permission,
    security_log::permission_denied,
};

/// How long after a login (claim `auth_time`) the operations of [`Fresh`] are open to it.
pub const MAX_LOGIN_AGE: Duration = Duration::from_secs(300);

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

    pub(crate) const fn log(&self) -> Option<&SecurityLog> {
        self.log.as_ref()
    }

    pub(crate) const fn limits(&self) -> Option<&Limits> {
        self.limits.as_ref()
    }

    /// Returns the verifier of access tokens.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Whether tokens are checked by the revocation feed, for the readiness report.
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

    /// The caller a token stands for, in a request of such stakes.
    ///
    /// # Errors
    /// 401 `auth.token-invalid`, `auth.session-closed`, `auth.token-stale`; 503 `auth.keys-unavailable`,
    /// `auth.revocation-unavailable`.
    pub async fn authenticate(&self, token: &str, stakes: Stakes) -> Result<Caller, Problem> {
        let token = self.verifier.verify(token).await.map_err(|e| match e {
            TokenError::KeysUnavailable => Problem::new(Code::AuthKeysUnavailable),
            TokenError::Invalid(why) => Problem::new(Code::AuthTokenInvalid).cause(why),
        })?;
        match self.sessions.check_for(&token, stakes).await {
            Ok(()) => Ok(Caller(token)),
            Err(RevocationError::Closed) => Err(Problem::new(Code::AuthSessionClosed)),
            Err(RevocationError::Stale) => Err(Problem::new(Code::AuthTokenStale)),
            Err(RevocationError::Unavailable) => Err(Problem::new(Code::AuthRevocationUnavailable)),
        }
    }
}

/// The user who makes a request, as their access token says.
#[derive(Clone)]
pub struct Caller(Arc<VerifiedToken>);

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

/// Whose things a caller may see or touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    All,
    /// Their own.
    Own(UserId),
}

impl Scope {
    /// Whether the things of `user` are in it.
    #[must_use]
    pub fn permits(self, user: UserId) -> bool {
        match self {
            Self::All => true,
            Self::Own(own) => own == user,
        }
    }
}

/// What a handler asks of its caller.
pub trait AccessRule: 'static {
    /// What a caller could do who should not get in any more.
    const STAKES: Stakes;

    /// Whether the caller must have proved lately who they are.
    const FRESH: bool = false;

    /// What of the caller's is counted; [`crate::Limited`] sets it.
    const LIMIT: Option<RuleLimit> = None;

    /// The caller's scope; `None` refuses.
    fn scope(caller: &Caller) -> Option<Scope>;
}

/// What `A` asks, of a login younger than [`MAX_LOGIN_AGE`] (SECURITY rule 5, RFC 9470).
#[derive(Debug)]
pub struct Fresh<A>(PhantomData<fn() -> A>);

impl<A: AccessRule> AccessRule for Fresh<A> {
    const STAKES: Stakes = A::STAKES;
    const FRESH: bool = true;
    const LIMIT: Option<RuleLimit> = A::LIMIT;

    fn scope(caller: &Caller) -> Option<Scope> {
        A::scope(caller)
    }
}

/// Any authenticated caller, for their own things only.
#[derive(Debug)]
pub enum Own {}

/// Any authenticated caller for their own things; a holder of `P` for everybody's.
#[derive(Debug)]
pub struct OwnOr<P>(PhantomData<fn() -> P>);

/// High for what is privileged.
const fn stakes_of<P: Permission>() -> Stakes {
    if P::PRIVILEGED {
        Stakes::High
    } else {
        Stakes::Ordinary
    }
}

impl<P: Permission> AccessRule for P {
    const STAKES: Stakes = stakes_of::<P>();

    fn scope(caller: &Caller) -> Option<Scope> {
        caller.may(P::NAME).then_some(Scope::All)
    }
}

impl AccessRule for Own {
    const STAKES: Stakes = Stakes::Ordinary;

    fn scope(caller: &Caller) -> Option<Scope> {
        Some(Scope::Own(caller.user_id()))
    }
}

impl<P: Permission> AccessRule for OwnOr<P> {
    const STAKES: Stakes = stakes_of::<P>();

    fn scope(caller: &Caller) -> Option<Scope> {
        Some(if caller.may(P::NAME) {
            Scope::All
        } else {
            Scope::Own(caller.user_id())
        })
    }
}

/// An authenticated caller to whom rule `A` gave a [`Scope`].
pub struct Authed<A> {
    /// Who calls.
    pub caller: Caller,
    scope: Scope,
    is_fresh: bool,
    request: HttpRequest,
    rule: PhantomData<fn() -> A>,
}

impl<A> Authed<A> {
    /// Whose things the caller may see or touch here.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The caller's id.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.caller.user_id()
    }

    /// Where the request came from, with the caller as actor. Put together anew by each call: most requests need none.
    #[must_use]
    pub fn origin(&self) -> Origin {
        origin_by(&self.request, self.user_id())
    }

    /// Lets the caller go on to the things of `user`, or refuses with `refusal`: 404 where even existence is
    /// private, `auth.permission-denied` otherwise.
    ///
    /// # Errors
    /// `refusal`.
    pub fn permit(&self, user: UserId, refusal: Code) -> Result<(), Problem> {
        if self.scope.permits(user) {
            return Ok(());
        }
        note_denied(&self.request, self.user_id());
        Err(Problem::new(refusal))
    }

    /// Refuses because the token lacks `permission`, unless it carries it.
    ///
    /// # Errors
    /// 403 `auth.permission-denied`.
    pub fn require(&self, permission: &str) -> Result<(), Problem> {
        if self.caller.may(permission) {
            return Ok(());
        }
        note_denied(&self.request, self.user_id());
        Err(Problem::new(Code::AuthPermissionDenied))
    }

    /// Refuses a login of [`MAX_LOGIN_AGE`] or older, where only some requests to an operation need a younger one.
    ///
    /// # Errors
    /// 401 `auth.reauthentication-required`.
    pub fn require_fresh(&self) -> Result<(), Problem> {
        if self.is_fresh {
            Ok(())
        } else {
            Err(Problem::new(Code::AuthReauthenticationRequired))
        }
    }
}

fn origin_by(request: &HttpRequest, user: UserId) -> Origin {
    Origin {
        actor_id: Some(user),
        ..origin_of(request)
    }
}

fn note_denied(request: &HttpRequest, user: UserId) {
    let guard = request.app_data::<web::Data<TokenGuard>>();
    if let Some(log) = guard.and_then(|guard| guard.log.as_ref()) {
        let (origin, operation) = (origin_by(request, user), operation_of(request));
        log.note(permission_denied(origin, user, operation));
    }
}

impl<A: AccessRule> FromRequest for Authed<A> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let guard = req
                .app_data::<web::Data<TokenGuard>>()
                .ok_or_else(|| Problem::internal("no TokenGuard in the application"))?;
            let token = bearer(&req)?;
            let caller = guard.authenticate(token, A::STAKES).await?;
            if let Some(context) = ud_telemetry::current() {
                context.set_user_id(caller.user_id());
            }
            let Some(scope) = A::scope(&caller) else {
                note_denied(&req, caller.user_id());
                return Err(Problem::new(Code::AuthPermissionDenied));
            };
            let authed = Self {
                is_fresh: guard.is_fresh(&caller),
                caller,
                scope,
                request: req.clone(),
                rule: PhantomData,
            };
            // After the permission: whoever lacks that need not give their password again.
            if A::FRESH {
                authed.require_fresh()?;
            }
            if let Some(limit) = A::LIMIT
                && !limit.spares(&req)
            {
                // Boxed: whoever has no limit carries a pointer for it and nothing more.
                Box::pin(guard.count_caller(&req, limit, authed.user_id(), scope)).await?;
            }
            Ok(authed)
        })
    }
}

/// Method and route pattern: names the operation without anybody's id in it.
pub(crate) fn operation_of(req: &HttpRequest) -> String {
    format!(
        "{} {}",
        req.method(),
        req.match_pattern().unwrap_or_default()
    )
}

/// The token of `Authorization: Bearer`, RFC 6750 section 2.1. A second `Authorization` header is refused:
/// two readers might choose differently.
pub(crate) fn bearer(req: &HttpRequest) -> Result<&str, Problem> {
    let mut values = req.headers().get_all(header::AUTHORIZATION);
    let value = values
        .next()
        .ok_or_else(|| Problem::new(Code::AuthTokenMissing))?;
    if values.next().is_some() {
        return Err(Problem::new(Code::AuthTokenInvalid));
    }
    // Not `to_str`, which looks at each byte by itself: what may stand in a token its verifier knows.
    let text =
        str::from_utf8(value.as_bytes()).map_err(|_| Problem::new(Code::AuthTokenInvalid))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_ascii()),
        _ => Err(Problem::new(Code::AuthTokenMissing)),
    }
}
