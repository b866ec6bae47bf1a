//! How often a handler may be called stands in its argument's type (SECURITY rule 26), like the permission:
//! `Limited<limits::Login, Json<LoginRequest>>` counts who asks once the body was read,
//! `Authed<Limited<limits::UpdateUser, OwnOr<UsersWrite>>>` counts the caller once they were let in.

use std::{future::Future, marker::PhantomData, pin::Pin, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev, web};
use ud_config::{LimitsConfig, RedisConfig};
use ud_jwt::revocation::Stakes;
use ud_kernel::{Clock, Code, LimitKey, Service, UserId, models::Origin};
use ud_limit::{Limiter, LimiterError};

use crate::{
    AccessRule, Caller, Problem, Scope, SecurityNotice, TokenGuard,
    authed::operation_of,
    limits::{Counts, LimitedOperation, OPERATIONS, Operation},
    origin::{is_from_proxy, origin_of, source_of},
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

/// The counts of one service's operations. Clones share them.
#[derive(Clone)]
pub struct Limits(Arc<[Option<Counters>]>);

struct Counters {
    everybody: Limiter,
    operators: Option<Limiter>,
}

impl Limits {
    /// Those of `service`. What costs a password hash is counted in Redis if there is one.
    ///
    /// # Errors
    /// If the Redis address cannot be read.
    pub fn new(
        service: Service,
        config: &LimitsConfig,
        redis: Option<&RedisConfig>,
        clock: &Clock,
    ) -> Result<Self, LimiterError> {
        let counters = |operation: &Operation| {
            let redis = redis.filter(|_| operation.is_shared);
            let limiter = |key| Limiter::new(operation.name, config.of(key), redis, clock.clone());
            Ok(Counters {
                everybody: limiter(operation.key)?,
                operators: operation.operators.map(limiter).transpose()?,
            })
        };
        OPERATIONS
            .iter()
            .map(|operation| {
                let is_own = operation.service == service;
                is_own.then(|| counters(operation)).transpose()
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    async fn check(
        &self,
        index: usize,
        is_operator: bool,
        key: LimitKey,
    ) -> Result<Result<(), u32>, Problem> {
        let counters = self.0.get(index).and_then(Option::as_ref);
        let counters = counters
            .ok_or_else(|| Problem::internal("an operation whose limit this service lacks"))?;
        let operators = counters.operators.as_ref().filter(|_| is_operator);
        Ok(operators.unwrap_or(&counters.everybody).check(key).await)
    }
}

/// What an [`AccessRule`] counts, and where.
#[derive(Debug, Clone, Copy)]
pub struct RuleLimit {
    index: usize,
    operation: Operation,
}

impl RuleLimit {
    /// Whether requests like this one are not counted.
    pub(crate) fn spares(&self, req: &HttpRequest) -> bool {
        self.operation.spares_proxies && is_from_proxy(req)
    }
}

impl<O: LimitedOperation, A: AccessRule> AccessRule for Limited<O, A> {
    const STAKES: Stakes = A::STAKES;
    const FRESH: bool = A::FRESH;
    const LIMIT: Option<RuleLimit> = Some(RuleLimit {
        index: O::INDEX,
        operation: O::OPERATION,
    });

    fn scope(caller: &Caller) -> Option<Scope> {
        A::scope(caller)
    }
}

impl TokenGuard {
    /// Counts a caller who was let in.
    pub(crate) async fn count_caller(
        &self,
        req: &HttpRequest,
        limit: RuleLimit,
        user: UserId,
        scope: Scope,
    ) -> Result<(), Problem> {
        let key = match limit.operation.counts {
            Counts::Sources => LimitKey::Source(source_of(req)),
            Counts::Users | Counts::Presented => LimitKey::User(user),
        };
        let is_operator = scope == Scope::All;
        self.count_at(req, limit.index, is_operator, key, Some(user))
            .await
    }

    /// Counts one call of operation `O` under `key`, for handlers that know only late who calls. `user` is whoever
    /// is known to call.
    ///
    /// # Errors
    /// 429 `request.rate-limited`, which the audit log is told; 500 where `O` is no operation of this service.
    pub async fn count<O: LimitedOperation>(
        &self,
        req: &HttpRequest,
        key: LimitKey,
        user: Option<UserId>,
    ) -> Result<(), Problem> {
        self.count_at(req, O::INDEX, false, key, user).await
    }

    /// Counts one call of operation `O` by who asks.
    ///
    /// # Errors
    /// As [`TokenGuard::count`].
    pub async fn count_source<O: LimitedOperation>(
        &self,
        req: &HttpRequest,
    ) -> Result<(), Problem> {
        let key = LimitKey::Source(source_of(req));
        self.count::<O>(req, key, None).await
    }

    async fn count_at(
        &self,
        req: &HttpRequest,
        index: usize,
        is_operator: bool,
        key: LimitKey,
        user: Option<UserId>,
    ) -> Result<(), Problem> {
        let limits = self
            .limits()
            .ok_or_else(|| Problem::internal("no limits in the application"))?;
        let Err(seconds) = limits.check(index, is_operator, key).await? else {
            return Ok(());
        };
        if let Some(log) = self.log() {
            log.note(SecurityNotice {
                event: "rate_limited",
                origin: Origin {
                    actor_id: user,
                    ..origin_of(req)
                },
                target_type: "operation",
                target_id: operation_of(req),
            });
        }
        Err(Problem::new(Code::RequestRateLimited).retry_after(seconds))
    }
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
            guard.count_source::<O>(&req).await?;
            Ok(Self {
                inner,
                operation: PhantomData,
            })
        })
    }
}
