//! The one way to check and to set a password: everything that costs goes through the hash pool.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus::{GaugeVec, HistogramVec, IntCounterVec};
use ud_telemetry::Metrics;
use zeroize::Zeroizing;

use super::{
    breach_list::{BreachHash, BreachList},
    hash::{PasswordHash, PasswordHashError},
    hash_pool::{HashPool, HashPoolError},
    policy::{ContextWords, PasswordPolicy, PasswordRefusal},
};
use crate::models::{
    error::AuthError,
    queue::fair_queue::{Entrant, Turn},
};

/// Upper bounds of the histogram of waiting and hashing together, in seconds.
const BUCKETS: [f64; 8] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];

/// The largest cost that is measured at the start; the others are powers of two of it.
const MEASURED_COST: u32 = 5;

/// So many hashes weigh as much as all before them.
const LATELY: u64 = 8;

/// How soon a password is refused at the earliest.
enum MinResponseTime {
    Fixed(Duration),
    Measured(Arc<Pace>),
}

/// How long one hash by the policy takes: a running average, in nanoseconds.
struct Pace(AtomicU64);

impl Pace {
    fn new(first: Duration) -> Self {
        Self(AtomicU64::new(nanoseconds(first)))
    }

    fn of_one(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// Of two notes at once one may be lost, which an average survives.
    fn note(&self, took: Duration) {
        let before = self.0.load(Ordering::Relaxed);
        let after = before - before / LATELY + nanoseconds(took) / LATELY;
        self.0.store(after, Ordering::Relaxed);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Checks and hashes passwords by one policy and at one cost.
pub struct Passwords {
    pool: HashPool,
    policy: PasswordPolicy,
    breached: Arc<BreachList>,
    cost: u32,
    dummy: PasswordHash,
    min_response_time: MinResponseTime,
    jobs: IntCounterVec,
    seconds: HistogramVec,
    waiting: GaugeVec,
}

impl Passwords {
    /// With hashes of `cost` made in `pool`. `min_response_time`: see [`Passwords::min_response_time`]; measured if not
    /// given, which takes some 10 ms at first, and goes on with each hash.
    ///
    /// # Errors
    /// [`AuthError::Internal`] for a cost that is not accepted.
    pub fn new(
        pool: HashPool,
        policy: PasswordPolicy,
        breached: BreachList,
        cost: u32,
        min_response_time: Option<Duration>,
        metrics: &Metrics,
    ) -> Result<Self, AuthError> {
        let internal = |error: PasswordHashError| AuthError::Internal(error.to_string());
        let dummy = PasswordHash::dummy(cost).map_err(internal)?;
        let min_response_time = match min_response_time {
            Some(least) => MinResponseTime::Fixed(least),
            None => {
                MinResponseTime::Measured(Arc::new(Pace::new(measure(cost).map_err(internal)?)))
            }
        };
        Ok(Self {
            pool,
            policy,
            breached: Arc::new(breached),
            cost,
            dummy,
            min_response_time,
            jobs: metrics.counter_vec(
                "password_jobs_total",
                "Jobs given to the hash pool, by what they were and how they ended: done, busy, panicked.",
                &["job", "outcome"],
            ),
            seconds: metrics.histogram_vec(
                "password_job_duration_seconds",
                "Time in the hash pool by job; `turn`: until there was a turn in the queue.",
                &["job"],
                &BUCKETS,
            ),
            waiting: metrics.gauge_vec(
                "password_jobs_waiting",
                "Jobs that wait for a thread of the hash pool.",
                &[],
            ),
        })
    }

    /// No password is refused sooner than this: 1.5 times what one hash by the policy has taken lately, so that neither
    /// a cheaper imported hash nor an answer without any shows in the time, on a busy machine neither.
    #[must_use]
    pub fn min_response_time(&self) -> Duration {
        match &self.min_response_time {
            MinResponseTime::Fixed(least) => *least,
            MinResponseTime::Measured(pace) => pace.of_one().mul_f64(1.5),
        }
    }

    /// Waits for a turn to hash.
    ///
    /// # Errors
    /// [`AuthError::Busy`] if there is no place in the queue for this network, or no turn in time.
    pub async fn enter(&self, entrant: Entrant) -> Result<Turn, AuthError> {
        self.turn("verify", entrant).await
    }

    /// Whether `password` is the one behind `hash`. Without a hash (unknown user) the same work is done and
    /// the answer is no; so too for a password too long to have been accepted.
    ///
    /// # Errors
    /// [`AuthError::Busy`].
    pub async fn verify(
        &self,
        turn: Turn,
        password: &Zeroizing<String>,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, AuthError> {
        let could_match = hash.is_some() && PasswordPolicy::could_exist(password);
        let hash = hash.unwrap_or(&self.dummy).clone();
        let password = password.clone();
        let memory = hash.memory();
        let pace = match &self.min_response_time {
            MinResponseTime::Measured(pace) if !self.is_weak(&hash) => Some(Arc::clone(pace)),
            _ => None,
        };
        let work = move || {
            let start = Instant::now();
            let matches = hash.verify(&password);
            if let Some(pace) = pace {
                pace.note(start.elapsed());
            }
            matches
        };
        let matches = self.run("verify", turn, memory, work).await?;
        Ok(matches && could_match)
    }

    /// Whether the policy accepts `password` in this context, and no list of breached ones has it.
    ///
    /// # Errors
    /// [`AuthError::Busy`].
    pub async fn check(
        &self,
        entrant: Entrant,
        password: &Zeroizing<String>,
        context: ContextWords,
    ) -> Result<Result<(), PasswordRefusal>, AuthError> {
        let (policy, password) = (self.policy, password.clone());
        let list = Arc::clone(&self.breached);
        let work = move || {
            policy.check(&password, &context)?;
            let hash = BreachHash::of(&password);
            if list.is_in_file(&hash) {
                return Err(PasswordRefusal::Breached);
            }
            Ok(hash)
        };
        let turn = self.turn("check", entrant).await?;
        let hash = match self.run("check", turn, 0, work).await? {
            Ok(hash) => hash,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // Last: nobody is told anything about a password that is refused anyway.
        if self.breached.is_at_service(&hash).await {
            return Ok(Err(PasswordRefusal::Breached));
        }
        Ok(Ok(()))
    }

    /// Hashes a password that the policy accepted.
    ///
    /// # Errors
    /// [`AuthError::Busy`].
    pub async fn hash(
        &self,
        entrant: Entrant,
        password: &Zeroizing<String>,
    ) -> Result<PasswordHash, AuthError> {
        let (cost, password) = (self.cost, password.clone());
        let turn = self.turn("hash", entrant).await?;
        self.run("hash", turn, 0, move || PasswordHash::new(&password, cost))
            .await?
            .map_err(|e| AuthError::Internal(e.to_string()))
    }

    /// Whether `hash` should be replaced by one of our own of today's cost.
    #[must_use]
    pub const fn is_weak(&self, hash: &PasswordHash) -> bool {
        hash.is_weaker_than(self.cost)
    }

    async fn turn(&self, job: &'static str, entrant: Entrant) -> Result<Turn, AuthError> {
        let timer = self.seconds.with_label_values(&["turn"]).start_timer();
        let turn = self.pool.enter(entrant).await;
        timer.observe_duration();
        if turn.is_err() {
            self.jobs.with_label_values(&[job, "busy"]).inc();
        }
        self.note_waiting();
        Ok(turn?)
    }

    fn note_waiting(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a queue has some dozen places")]
        let waiting = self.pool.waiting() as f64;
        self.waiting.with_label_values::<&str>(&[]).set(waiting);
    }

    async fn run<T, F>(
        &self,
        job: &'static str,
        turn: Turn,
        memory: usize,
        work: F,
    ) -> Result<T, AuthError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let timer = self.seconds.with_label_values(&[job]).start_timer();
        let result = self.pool.run(turn, memory, work).await;
        timer.observe_duration();
        let outcome = match result {
            Ok(_) => "done",
            Err(HashPoolError::Busy) => "busy",
            Err(HashPoolError::Panicked) => "panicked",
        };
        self.jobs.with_label_values(&[job, outcome]).inc();
        self.note_waiting();
        Ok(result?)
    }
}

/// How long one hash of `cost` takes here.
fn measure(cost: u32) -> Result<Duration, PasswordHashError> {
    let measured = cost.min(MEASURED_COST);
    let dummy = PasswordHash::dummy(measured)?;
    // Whatever else the machine did made a hash slower, never faster.
    let mut least = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        let _ = dummy.verify("");
        least = least.min(start.elapsed());
    }
    Ok(least * 2_u32.pow(cost - measured))
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Passwords").field(&self.pool).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_follows_the_machine() {
        let (fast, slow) = (Duration::from_millis(200), Duration::from_millis(900));
        let pace = Pace::new(fast);
        assert_eq!(pace.of_one(), fast);
        pace.note(slow);
        assert!(
            pace.of_one() > fast && pace.of_one() < slow / 2,
            "one is no trend"
        );
        for _ in 0..32 {
            pace.note(slow);
        }
        assert!(pace.of_one() > slow.mul_f64(0.95) && pace.of_one() <= slow);
        for _ in 0..32 {
            pace.note(fast);
        }
        assert!(pace.of_one() < fast.mul_f64(1.1));
    }

    #[test]
    fn the_measure_is_near_what_a_hash_takes() {
        let told = measure(9).unwrap();
        let dummy = PasswordHash::dummy(9).unwrap();
        let mut times = [(); 5].map(|()| {
            let start = Instant::now();
            let _ = dummy.verify("x");
            start.elapsed()
        });
        times.sort_unstable();
        // Other work on the machine may slow either down.
        assert!(
            told * 4 > times[2] && told < times[2] * 4,
            "{told:?} {times:?}"
        );
    }
}
