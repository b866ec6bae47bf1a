//! Connections to Redis: a pool without a PING at each checkout, one repetition when a kept connection turns
//! out to be dead, and the check that the server keeps what the configuration promises.

use std::time::Duration;

use deadpool_redis::Runtime;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, InfoDict, RedisError, Script,
    ServerErrorKind, Value, aio::MultiplexedConnection,
};
use secrecy::ExposeSecret as _;
use ud_config::{Durability, RedisConfig};
use ud_db::StoreError;
use ud_telemetry::Cost;

use crate::models::error::SessionError;

/// A command has this long; redis-rs would say the same, but an upgrade could change its mind.
const RESPONSE: Duration = Duration::from_millis(500);
/// A connection has this long to come up, and a task to get one.
const CONNECT: Duration = Duration::from_millis(500);
/// A replica has this long to confirm a close; below [`RESPONSE`], so that the answer is read.
const REPLICATED_WITHIN_MS: u32 = 400;
/// What the scripts refuse with where the store has gone back again.
const BEHIND: &str = "BEHIND";
/// Error codes that redis-rs has no name for, of a server that lacks what it needs: memory, a disk, replicas, time, or
/// the password that this service was given.
const PASSING: &[&str] = &[
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    "BUSY",
    "IOERR",
    "NOGOODSLAVE",
    "NOAUTH",
    "WRONGPASS",
];
/// Connections of one process. Each carries many requests at once; a script takes the server well under a
/// millisecond.
const POOL_SIZE: usize = 16;

/// deadpool-redis' manager, without its PING: a dead connection is known by the error of its first use.
struct Connector(deadpool_redis::Manager);

impl deadpool::managed::Manager for Connector {
    type Type = MultiplexedConnection;
    type Error = RedisError;

    async fn create(&self) -> Result<MultiplexedConnection, RedisError> {
        // Boxed: seldom needed, and every command would carry its 7 KB.
        Box::pin(self.0.create()).await
    }

    async fn recycle(
        &self,
        _: &mut MultiplexedConnection,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<RedisError> {
        Ok(())
    }
}

type Pool = deadpool::managed::Pool<Connector>;

/// A pool of connections to one Redis. Clones share it.
#[derive(Clone)]
pub(crate) struct Redis {
    pool: Pool,
    client: redis::Client,
    durability: Durability,
}

impl Redis {
    /// Does not connect yet: a server that is down now may be up later.
    ///
    /// # Errors
    /// If the address is not one of Redis.
    pub(crate) fn new(config: &RedisConfig) -> Result<Self, SessionError> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPONSE));
        let manager =
            deadpool_redis::Manager::new_with_config(config.url.expose_secret(), settings)
                .map_err(|_| StoreError::Internal("REDIS_URL is not an address of Redis".into()))?;
        let pool = Pool::builder(Connector(manager))
            .max_size(POOL_SIZE)
            .wait_timeout(Some(CONNECT))
            .create_timeout(Some(CONNECT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|e| StoreError::Internal(e.to_string()))?;
        let client = redis::Client::open(config.url.expose_secret())
            .map_err(|_| StoreError::Internal("REDIS_URL is not an address of Redis".into()))?;
        Ok(Self {
            pool,
            client,
            durability: config.durability,
        })
    }

    /// A connection of its own for a command that waits `longest`.
    pub(crate) async fn connect_to_wait(
        &self,
        longest: Duration,
    ) -> Result<MultiplexedConnection, SessionError> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(longest + RESPONSE));
        self.client
            .get_multiplexed_async_connection_with_config(&settings)
            .await
            .map_err(|e| failed(&e))
    }

    /// Runs one command.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, SessionError> {
        read(self.perform(Work::Command(command)).await?.0)
    }

    /// Runs a script on the keys below `namespace` with one JSON argument.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        namespace: &str,
        argument: &str,
    ) -> Result<T, SessionError> {
        let work = Work::Script {
            script,
            namespace,
            argument,
            replicated: false,
        };
        read(self.perform(work).await?.0)
    }

    /// As [`Redis::run`], and answers only when the outcome is as durable as was promised.
    pub(crate) async fn run_durably<T: FromRedisValue>(
        &self,
        script: &Script,
        namespace: &str,
        argument: &str,
    ) -> Result<T, SessionError> {
        // `fsync`: the server answers after the disk did. `lossy`: nothing more was promised.
        let replicated = self.durability == Durability::Replicated;
        let work = Work::Script {
            script,
            namespace,
            argument,
            replicated,
        };
        let (value, replicas) = self.perform(work).await?;
        if replicas == Some(0) {
            // Done on the primary; the caller repeats the order until a replica has it as well.
            return Err(StoreError::Unavailable("no replica confirmed".into()).into());
        }
        read(value)
    }

    /// Every operation may be repeated: a step or a create that was done gives the same grant again, and a
    /// close or a mark changes nothing twice.
    async fn perform(&self, work: Work<'_>) -> Result<(Value, Option<u32>), SessionError> {
        let mut repeated = false;
        loop {
            let mut connection = self.pool.get().await.map_err(unconnected)?;
            ud_telemetry::count(Cost::RedisCall);
            let error = match work.on(&mut connection).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if !is_broken(&error) {
                return Err(failed(&error));
            }
            // Not back into the pool; the idle ones are likely as dead.
            drop(deadpool::managed::Object::take(connection));
            self.pool.retain(|_, _| false);
            if repeated || error.is_timeout() {
                return Err(failed(&error));
            }
            repeated = true;
        }
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

/// What is sent on one connection.
#[derive(Clone, Copy)]
enum Work<'a> {
    Command(&'a Cmd),
    Script {
        script: &'a Script,
        namespace: &'a str,
        argument: &'a str,
        replicated: bool,
    },
}

impl Work<'_> {
    /// The answer, and how many replicas confirmed it if that was asked.
    async fn on(
        self,
        connection: &mut MultiplexedConnection,
    ) -> Result<(Value, Option<u32>), RedisError> {
        match self {
            Self::Command(command) => Ok((command.query_async(connection).await?, None)),
            Self::Script {
                script,
                namespace,
                argument,
                replicated,
            } => {
                let value = script
                    .key(namespace)
                    .arg(argument)
                    .invoke_async(connection)
                    .await?;
                if !replicated {
                    return Ok((value, None));
                }
                // WAIT speaks of the writes of its own connection.
                let mut wait = redis::cmd("WAIT");
                wait.arg(1).arg(REPLICATED_WITHIN_MS);
                Ok((value, Some(wait.query_async(connection).await?)))
            }
        }
    }
}

fn read<T: FromRedisValue>(value: Value) -> Result<T, SessionError> {
    redis::from_redis_value(value)
        .map_err(|_| StoreError::Internal("Redis: an answer of another shape".into()).into())
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

fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}

fn unconnected(error: deadpool::managed::PoolError<RedisError>) -> SessionError {
    use deadpool::managed::PoolError;
    let error = match error {
        PoolError::Timeout(_) => StoreError::Timeout("connecting to Redis"),
        PoolError::Backend(error) => return failed(&error),
        other => StoreError::Unavailable(other.to_string()),
    };
    error.into()
}

/// Only kind and code go on: the server's text may repeat what was sent.
pub(super) fn failed(error: &RedisError) -> SessionError {
    let code = error.code().unwrap_or_default();
    if code == BEHIND {
        return SessionError::StoreBehind;
    }
    let text = format!("Redis: {} {code}", error.category());
    let passes = match error.kind() {
        ErrorKind::Io | ErrorKind::AuthenticationFailed | ErrorKind::ClusterConnectionNotFound => {
            true
        }
        ErrorKind::Server(kind) => match kind {
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::NoPerm => true,
            // No code of its own.
            ServerErrorKind::ResponseError => error.detail().is_some_and(|detail| {
                ["max number of clients reached", "out of memory"]
                    .iter()
                    .any(|text| detail.starts_with(text))
            }),
            _ => false,
        },
        _ => PASSING.contains(&code),
    };
    if passes {
        StoreError::Unavailable(text).into()
    } else {
        StoreError::Internal(text).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what the server says as redis-rs does from the wire.
    fn said(line: &str) -> SessionError {
        let answer = redis::parse_redis_value(format!("-{line}\r\n").as_bytes())
            .and_then(|value| value.extract_error());
        failed(&answer.unwrap_err())
    }

    #[test]
    fn what_a_server_lacks_makes_it_unavailable() {
        for line in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "OOM command not allowed when used memory > 'maxmemory'. script: 8c1f, on @user_script:7.",
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
            "MISCONF Errors writing to the AOF file: No space left on device",
            "READONLY You can't write against a read only replica.",
            "LOADING Redis is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "NOREPLICAS Not enough good replicas to write.",
            "CLUSTERDOWN The cluster is down",
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "NOPERM this user has no permissions to run the 'evalsha' command",
            "IOERR error or timeout writing to target instance",
            "ERR max number of clients reached",
        ] {
            let error = said(line);
            assert!(
                matches!(error, SessionError::Store(StoreError::Unavailable(_))),
                "{line}: {error:?}"
            );
            assert!(!error.to_string().contains("disk"), "only kind and code");
        }
        for line in [
            "ERR unknown command 'EVALSHAX'",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "CROSSSLOT Keys in request don't hash to the same slot",
        ] {
            let error = said(line);
            assert!(
                matches!(error, SessionError::Store(StoreError::Internal(_))),
                "{line}: {error:?}"
            );
        }
        assert!(matches!(said("BEHIND"), SessionError::StoreBehind));
    }
}
