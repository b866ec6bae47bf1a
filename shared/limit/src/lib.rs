#![doc = include_str!("../README.md")]

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter, clock::Clock as _, middleware::NoOpMiddleware,
    state::keyed::DashMapStateStore,
};
use redis::Script;
use ud_config::{Limit, RedisConfig};
use ud_kernel::{Clock, LimitKey, Timestamp};
use ud_redis::{Redis, RedisFailure};

/// Redis has this long; then the process's own count decides.
const REDIS_DEADLINE: Duration = Duration::from_millis(250);
/// Below [`REDIS_DEADLINE`]: a connection that has died silently is given up by the first count that meets it.
const REDIS_RESPONSE: Duration = Duration::from_millis(200);
/// After so many checks, keys whose time is over are forgotten.
const SWEEP_EVERY: u32 = 10_000;

/// Counts one, and tells the count and the window's rest in milliseconds. One script, so that a key never
/// stays without an end. A connection that dies in between has it counted twice.
const COUNT: &str = r"
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
";

/// Tells governor the time of an injected [`Clock`]. If that steps back, this goes on from where it was: otherwise
/// whoever was counted before would be refused until the clock is there again.
#[derive(Clone)]
struct Hand(Arc<Mutex<Reading>>);

struct Reading {
    clock: Clock,
    at: Timestamp,
    elapsed: Duration,
}

impl Hand {
    fn new(clock: Clock) -> Self {
        let (at, elapsed) = (clock.now(), Duration::ZERO);
        Self(Arc::new(Mutex::new(Reading { clock, at, elapsed })))
    }
}

impl governor::clock::Clock for Hand {
    type Instant = Duration;

    /// Time since the limiter was made.
    fn now(&self) -> Duration {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = last.clock.now();
        let passed = now.since(last.at);
        last.elapsed += passed;
        last.at = now;
        last.elapsed
    }
}

type Local = RateLimiter<LimitKey, DashMapStateStore<LimitKey>, Hand, NoOpMiddleware<Duration>>;

/// Counts one operation.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    operation: &'static str,
    limit: Limit,
    hand: Hand,
    local: Local,
    checks: AtomicU32,
    redis: Option<(Redis, Script)>,
}

/// A limit without a time.
#[derive(Debug)]
pub struct LimiterError(&'static str);

impl std::fmt::Display for LimiterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "limits: {}: a limit needs a time", self.0)
    }
}

impl std::error::Error for LimiterError {}

/// Returns the pool in which limits are counted. A server that is down is no error.
///
/// # Errors
/// If the address is not one of Redis.
pub fn redis(config: &RedisConfig) -> Result<Redis, RedisFailure> {
    Redis::new(config, REDIS_RESPONSE)
}

impl Limiter {
    /// Counts `operation` (lower-case word, part of the Redis key) up to `limit`. In the process a burst of
    /// `limit.count` is followed by one each `limit.per / limit.count` (GCRA); in Redis windows are fixed.
    ///
    /// # Errors
    /// If the limit has no time.
    pub fn new(
        operation: &'static str,
        limit: Limit,
        redis: Option<&Redis>,
        clock: Clock,
    ) -> Result<Self, LimiterError> {
        let count = NonZeroU32::new(limit.count).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(limit.per / count.get())
            .ok_or(LimiterError(operation))?
            .allow_burst(count);
        let hand = Hand::new(clock);
        let redis = redis.map(|redis| (redis.clone(), Script::new(COUNT)));
        Ok(Self(Arc::new(Inner {
            operation,
            limit,
            local: RateLimiter::new(quota, DashMapStateStore::default(), hand.clone()),
            hand,
            checks: AtomicU32::new(0),
            redis,
        })))
    }

    /// Counts one under `key`.
    ///
    /// # Errors
    /// Seconds until it is worth trying again, at least 1.
    pub async fn check(&self, key: LimitKey) -> Result<(), u32> {
        if let Some((redis, script)) = &self.0.redis {
            // Boxed: room for opening a connection is 7 KB, and most limits are counted in the process.
            let counted = Box::pin(self.count_in_redis(redis, script, key));
            match tokio::time::timeout(REDIS_DEADLINE, counted).await {
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(e)) => log::warn!("limit {}: {e}; counting here", self.0.operation),
                Err(_) => log::warn!(
                    "limit {}: Redis: no answer; counting here",
                    self.0.operation
                ),
            }
        }
        self.count_here(key)
    }

    async fn count_in_redis(
        &self,
        redis: &Redis,
        script: &Script,
        key: LimitKey,
    ) -> Result<Result<(), u32>, RedisFailure> {
        let window = u64::try_from(self.0.limit.per.as_millis()).unwrap_or(u64::MAX);
        let key = format!("{{ud}}:limit:{}:{key}", self.0.operation);
        let (count, rest): (u64, i64) = redis.run(script, &key, &window.to_string()).await?;
        if count <= u64::from(self.0.limit.count) {
            return Ok(Ok(()));
        }
        let rest = Duration::from_millis(u64::try_from(rest).unwrap_or(window));
        Ok(Err(whole_seconds(rest)))
    }

    fn count_here(&self, key: LimitKey) -> Result<(), u32> {
        if self.0.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.0.local.retain_recent();
        }
        self.0
            .local
            .check_key(&key)
            .map_err(|early| whole_seconds(early.wait_time_from(self.0.hand.now())))
    }
}

/// Rounded up, at least 1.
fn whole_seconds(rest: Duration) -> u32 {
    let millis = rest.as_millis().max(1);
    u32::try_from(millis.div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> LimitKey {
        LimitKey::Source(ud_kernel::Source::of(address.parse().unwrap()))
    }

    fn limiter(clock: &Clock) -> Limiter {
        let limit = Limit {
            count: 3,
            per: Duration::from_secs(60),
        };
        Limiter::new("test", limit, None, clock.clone()).unwrap()
    }

    #[tokio::test]
    async fn the_fourth_of_three_is_refused_until_time_has_passed() {
        let clock = Clock::manual(Timestamp::from_secs(1_000_000));
        let limiter = limiter(&clock);
        for _ in 0..3 {
            assert_eq!(limiter.check(key("192.0.2.1")).await, Ok(()));
        }
        assert_eq!(limiter.check(key("192.0.2.1")).await, Err(20));
        assert_eq!(limiter.check(key("192.0.2.2")).await, Ok(()));
        clock.advance(Duration::from_secs(20));
        assert_eq!(limiter.check(key("192.0.2.1")).await, Ok(()));
        assert_eq!(limiter.check(key("192.0.2.1")).await, Err(20));
        clock.advance(Duration::from_secs(60));
        for _ in 0..3 {
            assert_eq!(limiter.check(key("192.0.2.1")).await, Ok(()));
        }
    }

    #[tokio::test]
    async fn a_subscriber_of_ipv6_has_one_count_and_a_user_is_no_address() {
        let clock = Clock::manual(Timestamp::from_secs(1_000_000));
        let limiter = limiter(&clock);
        for host in 1..=3 {
            let address = format!("2001:db8:1:2::{host}");
            assert_eq!(limiter.check(key(&address)).await, Ok(()));
        }
        assert_eq!(limiter.check(key("2001:db8:1:2:f::9")).await, Err(20));
        assert_eq!(limiter.check(key("2001:db8:1:3::1")).await, Ok(()));
        let user = ud_kernel::UserId::new(clock.now());
        assert_eq!(limiter.check(LimitKey::User(user)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_clock_that_steps_back_locks_nobody_out_and_lets_nobody_in() {
        let clock = Clock::manual(Timestamp::from_secs(1_000_000));
        let limiter = limiter(&clock);
        for _ in 0..3 {
            assert_eq!(limiter.check(key("192.0.2.1")).await, Ok(()));
        }
        clock.set(Timestamp::from_secs(990_000));
        assert_eq!(limiter.check(key("192.0.2.1")).await, Err(20));
        clock.advance(Duration::from_secs(20));
        assert_eq!(limiter.check(key("192.0.2.1")).await, Ok(()));
        assert_eq!(limiter.check(key("192.0.2.1")).await, Err(20));
    }

    #[tokio::test]
    async fn a_redis_that_is_away_does_not_lift_the_limit() {
        let redis = redis(&RedisConfig {
            url: "redis://127.0.0.1:1/".to_owned().into(),
            durability: ud_config::Durability::Lossy,
        })
        .unwrap();
        let limit = Limit {
            count: 1,
            per: Duration::from_secs(60),
        };
        let clock = Clock::manual(Timestamp::from_secs(1_000_000));
        let limiter = Limiter::new("test", limit, Some(&redis), clock).unwrap();
        assert_eq!(limiter.check(key("192.0.2.1")).await, Ok(()));
        assert_eq!(limiter.check(key("192.0.2.1")).await, Err(60));
    }

    /// A connection whose other side is gone without a word is met by one count, not by each that draws it.
    #[tokio::test]
    async fn a_connection_that_has_died_silently_is_given_up_by_the_count_that_meets_it() {
        let server = testkit::RedisServer::start();
        let proxy = testkit::Proxy::to_port(server.port());
        let redis = redis(&RedisConfig {
            url: format!("redis://{}/", proxy.address()).into(),
            durability: ud_config::Durability::Lossy,
        })
        .unwrap();
        let connections = || {
            let client = redis::Client::open(server.url()).unwrap();
            let mut info = redis::cmd("INFO");
            let text: String = info
                .arg("stats")
                .query(&mut client.get_connection().unwrap())
                .unwrap();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("total_connections_received:"));
            line.unwrap().trim().parse::<u32>().unwrap()
        };
        let limit = Limit {
            count: 10,
            per: Duration::from_secs(60),
        };
        let clock = Clock::manual(Timestamp::from_secs(1_000_000));
        let limiter = Limiter::new("test", limit, Some(&redis), clock).unwrap();
        assert_eq!(limiter.check(key("192.0.2.1")).await, Ok(()));
        let before = connections();
        // What is asked is lost with the connection.
        proxy.hold_requests();
        assert_eq!(
            limiter.check(key("192.0.2.1")).await,
            Ok(()),
            "counted here"
        );
        proxy.resume();
        assert_eq!(limiter.check(key("192.0.2.1")).await, Ok(()));
        // Its own question, and a connection in place of the one that did not answer.
        assert_eq!(connections(), before + 2);
    }
}
