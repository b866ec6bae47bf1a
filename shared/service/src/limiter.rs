//! How often an operation may be called (SECURITY rule 26), and what counts that.

use std::sync::Arc;

use ud_config::{LimitsConfig, RedisConfig};
use ud_kernel::{Clock, LimitKey, Service};
use ud_limit::{Limiter, LimiterError};

use crate::limits::{OPERATIONS, Operation};

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

    /// Counts one call of the operation at `index` under `key`. Returns nothing if this service lacks the operation, and the
    /// seconds to wait where there were too many.
    pub async fn check(
        &self,
        index: usize,
        is_operator: bool,
        key: LimitKey,
    ) -> Option<Result<(), u32>> {
        let counters = self.0.get(index).and_then(Option::as_ref)?;
        let operators = counters.operators.as_ref().filter(|_| is_operator);
        Some(operators.unwrap_or(&counters.everybody).check(key).await)
    }
}

/// What an [`crate::AccessRule`] counts, and where.
#[derive(Debug, Clone, Copy)]
pub struct RuleLimit {
    /// Its place in [`OPERATIONS`].
    pub index: usize,
    /// What is limited.
    pub operation: Operation,
}
