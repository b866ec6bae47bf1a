//! A pool without a PING at each checkout, and one repetition when a kept connection turns out to be dead.

use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, PoolError, RecycleResult};
use deadpool_redis::Runtime;
use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, RedisError, Script, Value,
    aio::MultiplexedConnection,
};
use secrecy::ExposeSecret as _;
use ud_config::RedisConfig;
use ud_telemetry::Cost;

use crate::{RedisFailure, Why};

/// The time in which a store expects an answer; redis-rs would say the same, but an upgrade could change its mind.
pub const RESPONSE: Duration = Duration::from_millis(500);
/// A connection has this long to come up, and a task to get one.
const CONNECT: Duration = Duration::from_millis(500);
/// A replica has this long to confirm a write; below [`RESPONSE`], so that a store reads the answer.
const REPLICATED_WITHIN_MS: u32 = 400;
/// Connections of one pool. Each carries one command at a time, which takes the server well under a millisecond.
const POOL_SIZE: usize = 16;

/// deadpool-redis' manager, without its PING: a dead connection is known by the error of its first use.
struct Connector(deadpool_redis::Manager);

impl managed::Manager for Connector {
    type Type = MultiplexedConnection;
    type Error = RedisError;

    async fn create(&self) -> Result<MultiplexedConnection, RedisError> {
        // Boxed: seldom needed, and every command would carry its 7 KB.
        Box::pin(self.0.create()).await
    }

    async fn recycle(
        &self,
        _: &mut MultiplexedConnection,
        _: &Metrics,
    ) -> RecycleResult<RedisError> {
        Ok(())
    }
}

/// A pool of connections to one Redis. Clones share it.
#[derive(Clone)]
pub struct Redis {
    pool: managed::Pool<Connector>,
    client: redis::Client,
    response: Duration,
}

/// What a script answered, and how many replicas have what it wrote, where that was asked.
#[derive(Debug)]
pub struct Confirmed<T> {
    /// The answer.
    pub value: T,
    /// Replicas that confirmed in time.
    pub replicas: Option<u32>,
}

impl Redis {
    /// Makes a pool whose connections are given up when an answer takes longer than `response`. It does not connect yet: a
    /// server that is down now may be up later. Whoever waits for less than that leaves a connection that has died silently in
    /// the pool.
    ///
    /// # Errors
    /// If the address is not one of Redis. It may hold a password, and is not repeated.
    pub fn new(config: &RedisConfig, response: Duration) -> Result<Self, RedisFailure> {
        let wrong = || RedisFailure::new(Why::Internal, "REDIS_URL is not an address of Redis");
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(response));
        let url = config.url.expose_secret();
        let manager =
            deadpool_redis::Manager::new_with_config(url, settings).map_err(|_| wrong())?;
        let pool = managed::Pool::builder(Connector(manager))
            .max_size(POOL_SIZE)
            .wait_timeout(Some(CONNECT))
            .create_timeout(Some(CONNECT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|e| RedisFailure::new(Why::Internal, e.to_string()))?;
        let client = redis::Client::open(url).map_err(|_| wrong())?;
        Ok(Self {
            pool,
            client,
            response,
        })
    }

    /// Returns a connection of its own for a command that waits `longest`.
    ///
    /// # Errors
    /// If there is none in time.
    pub async fn connect_to_wait(
        &self,
        longest: Duration,
    ) -> Result<MultiplexedConnection, RedisFailure> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(longest + self.response));
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&settings);
        connecting.await.map_err(|e| RedisFailure::from(&e))
    }

    /// Runs one command.
    ///
    /// # Errors
    /// [`RedisFailure`].
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisFailure> {
        read(self.perform(Work::Command(command)).await?.value)
    }

    /// Runs a script on `key` with one argument.
    ///
    /// # Errors
    /// [`RedisFailure`].
    pub async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        argument: &str,
    ) -> Result<T, RedisFailure> {
        read(self.script(script, key, argument, false).await?.value)
    }

    /// Runs a script as [`Redis::run`] does, and waits for a replica that has what it wrote.
    ///
    /// # Errors
    /// [`RedisFailure`].
    pub async fn run_replicated<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        argument: &str,
    ) -> Result<Confirmed<T>, RedisFailure> {
        let Confirmed { value, replicas } = self.script(script, key, argument, true).await?;
        let value = read(value)?;
        Ok(Confirmed { value, replicas })
    }

    async fn script(
        &self,
        script: &Script,
        key: &str,
        argument: &str,
        replicated: bool,
    ) -> Result<Confirmed<Value>, RedisFailure> {
        let work = Work::Script {
            script,
            key,
            argument,
            replicated,
        };
        self.perform(work).await
    }

    /// Repeats once what a dead connection lost: a store's commands bear that, and a limit that counts a request twice then
    /// errs on the strict side.
    async fn perform(&self, work: Work<'_>) -> Result<Confirmed<Value>, RedisFailure> {
        let mut repeated = false;
        loop {
            let mut connection = self.pool.get().await.map_err(unconnected)?;
            ud_telemetry::count(Cost::RedisCall);
            let error = match work.on(&mut connection).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if !is_broken(&error) {
                return Err(RedisFailure::from(&error));
            }
            // Not back into the pool; the idle ones are likely as dead.
            drop(Object::take(connection));
            self.pool.retain(|_, _| false);
            if repeated || error.is_timeout() {
                return Err(RedisFailure::from(&error));
            }
            repeated = true;
        }
    }
}

/// What is sent on one connection.
#[derive(Clone, Copy)]
enum Work<'a> {
    Command(&'a Cmd),
    Script {
        script: &'a Script,
        key: &'a str,
        argument: &'a str,
        replicated: bool,
    },
}

impl Work<'_> {
    async fn on(
        self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Confirmed<Value>, RedisError> {
        let alone = |value| Confirmed {
            value,
            replicas: None,
        };
        match self {
            Self::Command(command) => Ok(alone(command.query_async(connection).await?)),
            Self::Script {
                script,
                key,
                argument,
                replicated,
            } => {
                let invoking = script.key(key).arg(argument).invoke_async(connection).await;
                let value = invoking?;
                if !replicated {
                    return Ok(alone(value));
                }
                // WAIT speaks of the writes of its own connection.
                let mut wait = redis::cmd("WAIT");
                wait.arg(1).arg(REPLICATED_WITHIN_MS);
                Ok(Confirmed {
                    value,
                    replicas: Some(wait.query_async(connection).await?),
                })
            }
        }
    }
}

fn read<T: FromRedisValue>(value: Value) -> Result<T, RedisFailure> {
    redis::from_redis_value(value)
        .map_err(|_| RedisFailure::new(Why::Internal, "Redis: an answer of another shape"))
}

fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}

fn unconnected(error: PoolError<RedisError>) -> RedisFailure {
    match error {
        PoolError::Timeout(_) => RedisFailure::new(Why::Timeout, "connecting to Redis"),
        PoolError::Backend(error) => RedisFailure::from(&error),
        other => RedisFailure::new(Why::Unavailable, other.to_string()),
    }
}
