//! How often a handler may be called stands in its argument's type (SECURITY rule 26), like the permission:
//! `Limited<limits::Login, Json<LoginRequest>>` counts who asks once the body was read,
//! `Authed<Limited<limits::UpdateUser, OwnOr<UsersWrite>>>` counts the caller once they were let in.

use std::{future::Future, marker::PhantomData, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev, web};
use ud_kernel::{Code, EventType, LimitKey, UserId, models::Provenance};
use ud_service::{
    AccessRule, Caller, RowScope, RuleLimit, SecurityEvent, Sensitivity, TokenGuard,
    limits::{Counts, LimitedOperation},
};

use crate::{
    Problem,
    origin::{is_from_proxy, operation_of, origin_of, source_of},
};

/// `inner`, as often as the limit of operation `O` lets it through.
///
/// As the rule of an [`crate::Authed`] it counts the caller, or who asks where the operation counts sources. As an
/// argument of its own it counts who asks, after `inner` could be had: what is malformed costs nothing.
pub struct Limited<O, T> {
    /// What is limited.
    pub inner: T,
    operation: PhantomData<fn() -> O>,
}

impl<O: LimitedOperation, A: AccessRule> AccessRule for Limited<O, A> {
    const SENSITIVITY: Sensitivity = A::SENSITIVITY;
    const FRESH: bool = A::FRESH;
    const LIMIT: Option<RuleLimit> = Some(RuleLimit::of::<O>());

    fn scope(caller: &Caller) -> Option<RowScope> {
        A::scope(caller)
    }
}

/// Returns whether requests like this one are not counted.
pub(crate) fn spares(limit: RuleLimit, req: &HttpRequest) -> bool {
    limit.operation.spares_proxies && is_from_proxy(req)
}

/// Counts a caller who was let in.
pub(crate) async fn count_caller(
    guard: &TokenGuard,
    req: &HttpRequest,
    limit: RuleLimit,
    user: UserId,
    scope: RowScope,
) -> Result<(), Problem> {
    let key = match limit.operation.counts {
        Counts::Sources => LimitKey::Source(source_of(req)),
        Counts::Users | Counts::Presented => LimitKey::User(user),
    };
    let is_operator = scope == RowScope::All;
    count_at(guard, req, limit, is_operator, key, Some(user)).await
}

/// Counts one call of operation `O` under `key`, for handlers that know only late who calls. `user` is whoever
/// is known to call.
///
/// # Errors
/// 429 `request.rate-limited`, which the audit log is told; 500 where `O` is no operation of this service.
pub async fn count<O: LimitedOperation>(
    guard: &TokenGuard,
    req: &HttpRequest,
    key: LimitKey,
    user: Option<UserId>,
) -> Result<(), Problem> {
    count_at(guard, req, RuleLimit::of::<O>(), false, key, user).await
}

/// Counts one call of operation `O` by who asks.
///
/// # Errors
/// As [`count`].
pub async fn count_source<O: LimitedOperation>(
    guard: &TokenGuard,
    req: &HttpRequest,
) -> Result<(), Problem> {
    let key = LimitKey::Source(source_of(req));
    count::<O>(guard, req, key, None).await
}

async fn count_at(
    guard: &TokenGuard,
    req: &HttpRequest,
    limit: RuleLimit,
    is_operator: bool,
    key: LimitKey,
    user: Option<UserId>,
) -> Result<(), Problem> {
    let limits = guard
        .limits()
        .ok_or_else(|| Problem::internal("no limits in the application"))?;
    let counted = limits.check(limit, is_operator, key).await;
    let counted =
        counted.ok_or_else(|| Problem::internal("an operation whose limit this service lacks"))?;
    let Err(seconds) = counted else {
        return Ok(());
    };
    if let Some(log) = guard.log() {
        log.note(SecurityEvent {
            kind: EventType::RATE_LIMITED,
            origin: Provenance {
                actor_id: user,
                ..origin_of(req)
            },
            target_type: "operation",
            target_id: operation_of(req),
        });
    }
    Err(Problem::new(Code::REQUEST_RATE_LIMITED).retry_after(seconds))
}

impl<O, T> FromRequest for Limited<O, T>
where
    O: LimitedOperation,
    T: FromRequest<Error = Problem> + 'static,
{
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let inner = T::from_request(req, payload);
        let req = req.clone();
        Box::pin(async move {
            let inner = inner.await?;
            let guard = req
                .app_data::<web::Data<TokenGuard>>()
                .ok_or_else(|| Problem::internal("no TokenGuard in the application"))?;
            count_source::<O>(guard, &req).await?;
            Ok(Self {
                inner,
                operation: PhantomData,
            })
        })
    }
}
