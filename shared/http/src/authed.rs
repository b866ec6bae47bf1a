//! Who may call a handler stands in its argument's type: `Authed<RolesWrite>`, `Authed<OwnOr<UsersRead>>`,
//! `Authed<Own>`, and `Authed<Fresh<RolesWrite>>` for those who proved lately who they are. A handler that takes none
//! of them is open to everybody.

use std::{future::Future, marker::PhantomData, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev, http::header, web};
use ud_kernel::{Code, UserId, models::Provenance};
use ud_service::{AccessRule, AuthFailure, Caller, RowScope, TokenGuard, permission_denied};

use crate::{
    Problem,
    limited::{count_caller, spares},
    origin::{operation_of, origin_of},
};

/// An authenticated caller to whom rule `A` gave a [`RowScope`].
pub struct Authed<A> {
    /// Who calls.
    pub caller: Caller,
    scope: RowScope,
    is_fresh: bool,
    request: HttpRequest,
    rule: PhantomData<fn() -> A>,
}

impl<A> Authed<A> {
    /// Whose things the caller may see or touch here.
    #[must_use]
    pub const fn scope(&self) -> RowScope {
        self.scope
    }

    /// The caller's id.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.caller.user_id()
    }

    /// Where the request came from, with the caller as actor. Put together anew by each call: most requests need none.
    #[must_use]
    pub fn origin(&self) -> Provenance {
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
        Err(Problem::new(Code::AUTH_PERMISSION_DENIED))
    }

    /// Refuses a login of [`MAX_LOGIN_AGE`](ud_service::MAX_LOGIN_AGE) or older, where only some requests to an operation need a younger one.
    ///
    /// # Errors
    /// 401 `auth.reauthentication-required`.
    pub fn require_fresh(&self) -> Result<(), Problem> {
        if self.is_fresh {
            Ok(())
        } else {
            Err(AuthFailure::ReauthenticationRequired.into())
        }
    }
}

fn origin_by(request: &HttpRequest, user: UserId) -> Provenance {
    Provenance {
        actor_id: Some(user),
        ..origin_of(request)
    }
}

fn note_denied(request: &HttpRequest, user: UserId) {
    let guard = request.app_data::<web::Data<TokenGuard>>();
    if let Some(log) = guard.and_then(|guard| guard.log()) {
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
            let admitted = guard.admit::<A>(bearer(&req)?).await;
            let admitted = admitted.map_err(|failure| {
                if let AuthFailure::PermissionDenied(user) = failure {
                    note_denied(&req, user);
                }
                failure
            })?;
            let (user, scope) = (admitted.caller.user_id(), admitted.scope);
            if let Some(limit) = A::LIMIT
                && !spares(limit, &req)
            {
                // Boxed: whoever has no limit carries a pointer for it and nothing more.
                Box::pin(count_caller(guard, &req, limit, user, scope)).await?;
            }
            Ok(Self {
                caller: admitted.caller,
                scope,
                is_fresh: admitted.is_fresh,
                request: req.clone(),
                rule: PhantomData,
            })
        })
    }
}

/// The token of `Authorization: Bearer`, RFC 6750 section 2.1. A second `Authorization` header is refused:
/// two readers might choose differently.
pub(crate) fn bearer(req: &HttpRequest) -> Result<&str, Problem> {
    let mut values = req.headers().get_all(header::AUTHORIZATION);
    let value = values
        .next()
        .ok_or_else(|| Problem::new(Code::AUTH_TOKEN_MISSING))?;
    if values.next().is_some() {
        return Err(Problem::new(Code::AUTH_TOKEN_INVALID));
    }
    // Not `to_str`, which looks at each byte by itself: what may stand in a token its verifier knows.
    let text =
        str::from_utf8(value.as_bytes()).map_err(|_| Problem::new(Code::AUTH_TOKEN_INVALID))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_ascii()),
        _ => Err(Problem::new(Code::AUTH_TOKEN_MISSING)),
    }
}
