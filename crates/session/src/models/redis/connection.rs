//! What session asks of its Redis: answers that are as durable as the configuration promises, and a server that keeps that
//! promise.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, InfoDict, Script, aio::MultiplexedConnection};
use ud_config::{Durability, RedisConfig};
use ud_db::StoreError;
use ud_redis::{Confirmed, RedisFailure, Why};

use crate::models::error::SessionError;

/// What the scripts refuse with where the store has gone back again.
const BEHIND: &str = "BEHIND";

/// The session store's Redis. Clones share its connections.
#[derive(Clone)]
pub(crate) struct Redis {
    redis: ud_redis::Redis,
    durability: Durability,
}

impl Redis {
    /// Does not connect yet: a server that is down now may be up later.
    ///
    /// # Errors
    /// If the address is not one of Redis.
    pub(crate) fn new(config: &RedisConfig) -> Result<Self, SessionError> {
        Ok(Self {
            redis: ud_redis::Redis::new(config, ud_redis::RESPONSE)?,
            durability: config.durability,
        })
    }

    /// A connection of its own for a command that waits `longest`.
    pub(crate) async fn connect_to_wait(
        &self,
        longest: Duration,
    ) -> Result<MultiplexedConnection, SessionError> {
        Ok(self.redis.connect_to_wait(longest).await?)
    }

    /// Runs one command.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, SessionError> {
        Ok(self.redis.query(command).await?)
    }

    /// Runs a script on the keys below `namespace` with one JSON argument. Every script bears being repeated: a rotation or
    /// a create that was done gives the same grant again, and a close or a not-before changes nothing twice.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        namespace: &str,
        argument: &str,
    ) -> Result<T, SessionError> {
        Ok(self.redis.run(script, namespace, argument).await?)
    }

    /// As [`Redis::run`], and answers only when the outcome is as durable as was promised.
    pub(crate) async fn run_durably<T: FromRedisValue>(
        &self,
        script: &Script,
        namespace: &str,
        argument: &str,
    ) -> Result<T, SessionError> {
        // `fsync`: the server answers after the disk did. `lossy`: nothing more was promised.
        if self.durability != Durability::Replicated {
            return self.run(script, namespace, argument).await;
        }
        let running = self.redis.run_replicated(script, namespace, argument);
        let Confirmed { value, replicas } = running.await?;
        if replicas == Some(0) {
            // Done on the primary; the caller repeats the order until a replica has it as well.
            return Err(StoreError::Unavailable("no replica confirmed".into()).into());
        }
        Ok(value)
    }

    /// Whether the server answers and keeps what [`Durability`] and SECURITY rule 20 promise.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) async fn check(&self) -> Result<(), Unfit> {
        let unreachable = |e: SessionError| Unfit::Unreachable(e.to_string());
        let info: InfoDict = self.query(&redis::cmd("INFO")).await.map_err(unreachable)?;
        let policy: Option<String> = info.get("maxmemory_policy");
        if policy.as_deref() != Some("noeviction") {
            return Err(Unfit::Configuration(
                "Redis must have maxmemory-policy noeviction: it would drop sessions and revocations",
            ));
        }
        match self.durability {
            Durability::Lossy => Ok(()),
            Durability::Fsync => {
                let appends: Option<String> = info.get("aof_enabled");
                if appends.as_deref() != Some("1") || !self.syncs_always().await {
                    return Err(Unfit::Configuration(
                        "REDIS_DURABILITY=fsync needs appendonly yes and appendfsync always",
                    ));
                }
                Ok(())
            }
            Durability::Replicated => {
                let replicas: Option<u32> = info.get("connected_slaves");
                if replicas.unwrap_or(0) == 0 {
                    return Err(Unfit::Unreachable("no replica is connected".into()));
                }
                Ok(())
            }
        }
    }

    /// Whether `appendfsync` is `always`, as far as the server tells: managed ones refuse CONFIG.
    async fn syncs_always(&self) -> bool {
        let mut ask = redis::cmd("CONFIG");
        ask.arg("GET").arg("appendfsync");
        match self.query::<Vec<String>>(&ask).await {
            Ok(answer) => answer.get(1).is_some_and(|value| value == "always"),
            Err(_) => {
                log::warn!(
                    "Redis does not tell its appendfsync; REDIS_DURABILITY=fsync is taken on trust"
                );
                true
            }
        }
    }
}

/// Why a Redis is not fit to keep sessions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It may be fit later.
    #[error("{0}")]
    Unreachable(String),
    /// Its configuration must change first.
    #[error("{0}")]
    Configuration(&'static str),
}

impl From<RedisFailure> for SessionError {
    fn from(failure: RedisFailure) -> Self {
        if failure.code() == BEHIND {
            return Self::StoreBehind;
        }
        match failure.why() {
            Why::Timeout => StoreError::Timeout("connecting to Redis").into(),
            Why::Unavailable => StoreError::Unavailable(failure.to_string()).into(),
            Why::Internal => StoreError::Internal(failure.to_string()).into(),
        }
    }
}
