//! How often an operation may be called (SECURITY rule 26), and what counts that.

use std::sync::Arc;

use ud_config::{LimitsConfig, RedisConfig};
use ud_kernel::{Clock, LimitKey, Service, StartError};
use ud_limit::Limiter;

use crate::limits::{LimitedOperation, Operation};

/// The counts of one service's operations. Clones share them.
#[derive(Clone)]
pub struct Limits {
    service: Service,
    counters: Arc<[Counters]>,
}

struct Counters {
    everybody: Limiter,
    operators: Option<Limiter>,
}

impl Limits {
    /// Returns those of the `operations` of `service`. What costs a password hash is counted in Redis if there is one.
    ///
    /// # Errors
    /// If the Redis address cannot be read, or a limit has no time.
    pub fn new(
        service: Service,
        operations: &[Operation],
        config: &LimitsConfig,
        redis: Option<&RedisConfig>,
        clock: &Clock,
    ) -> Result<Self, StartError> {
        let redis = redis.map(ud_limit::redis).transpose();
        let redis = redis.map_err(StartError::config)?;
        let counters = |operation: &Operation| {
            let redis = redis.as_ref().filter(|_| operation.is_shared);
            let limiter = |key| {
                let limiter = Limiter::new(operation.name, config.of(key), redis, clock.clone());
                limiter.map_err(StartError::config)
            };
            Ok(Counters {
                everybody: limiter(operation.key)?,
                operators: operation.operators.map(limiter).transpose()?,
            })
        };
        let counters = operations.iter().map(counters);
        Ok(Self {
            service,
            counters: counters.collect::<Result<_, _>>()?,
        })
    }

    /// Counts one call of what is limited under `key`. Returns nothing if that is no operation of this service, and the
    /// seconds to wait where there were too many.
    pub async fn check(
        &self,
        limit: RuleLimit,
        is_operator: bool,
        key: LimitKey,
    ) -> Option<Result<(), u32>> {
        let is_own = limit.operation.service == self.service;
        let counters = self.counters.get(limit.index).filter(|_| is_own)?;
        let operators = counters.operators.as_ref().filter(|_| is_operator);
        Some(operators.unwrap_or(&counters.everybody).check(key).await)
    }
}

/// What an [`crate::AccessRule`] counts, and where.
#[derive(Debug, Clone, Copy)]
pub struct RuleLimit {
    /// Its place in the table of its service.
    pub index: usize,
    /// What is limited.
    pub operation: Operation,
}

impl RuleLimit {
    /// Returns that of operation `O`.
    #[must_use]
    pub const fn of<O: LimitedOperation>() -> Self {
        Self {
            index: O::INDEX,
            operation: O::OPERATION,
        }
    }
}
