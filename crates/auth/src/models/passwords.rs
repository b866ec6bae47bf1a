//! The one way to check and to set a password: everything that costs goes through the hash pool.

use prometheus::{GaugeVec, HistogramVec, IntCounterVec};
use ud_telemetry::Metrics;
use zeroize::Zeroizing;

use super::{
    error::AuthError,
    hash_pool::{HashPool, HashPoolError},
    password_hash::PasswordHash,
    password_policy::{ContextWords, PasswordPolicy, PasswordRefusal},
};

/// Upper bounds of the histogram of waiting and hashing together, in seconds.
const BUCKETS: [f64; 8] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];

/// Checks and hashes passwords by one policy and at one cost.
pub struct Passwords {
    pool: HashPool,
    policy: PasswordPolicy,
    cost: u32,
    dummy: PasswordHash,
    jobs: IntCounterVec,
    seconds: HistogramVec,
    waiting: GaugeVec,
}

impl Passwords {
    /// With hashes of `cost` made in `pool`.
    ///
    /// # Errors
    /// [`AuthError::Internal`] for a cost that is not accepted.
    pub fn new(
        pool: HashPool,
        policy: PasswordPolicy,
        cost: u32,
        metrics: &Metrics,
    ) -> Result<Self, AuthError> {
        let dummy = PasswordHash::dummy(cost).map_err(|e| AuthError::Internal(e.to_string()))?;
        Ok(Self {
            pool,
            policy,
            cost,
            dummy,
            jobs: metrics.counter_vec(
                "password_jobs_total",
                "Jobs given to the hash pool, by what they were and how they ended: done, busy, panicked.",
                &["job", "outcome"],
            ),
            seconds: metrics.histogram_vec(
                "password_job_duration_seconds",
                "Time in the hash pool, waiting included.",
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

    /// Whether `password` is the one behind `hash`. Without a hash (unknown user) the same work is done and
    /// the answer is no; so too for a password too long to have been accepted.
    ///
    /// # Errors
    /// [`AuthError::Busy`].
    pub async fn verify(
        &self,
        password: &Zeroizing<String>,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, AuthError> {
        let could_match = hash.is_some() && PasswordPolicy::could_exist(password);
        let hash = hash.unwrap_or(&self.dummy).clone();
        let password = password.clone();
        let memory = hash.memory();
        let work = move || hash.verify(&password);
        let matches = self.run("verify", memory, work).await?;
        Ok(matches && could_match)
    }

    /// Whether the policy accepts `password` in this context.
    ///
    /// # Errors
    /// [`AuthError::Busy`].
    pub async fn check(
        &self,
        password: &Zeroizing<String>,
        context: ContextWords,
    ) -> Result<Result<(), PasswordRefusal>, AuthError> {
        let (policy, password) = (self.policy, password.clone());
        self.run("check", 0, move || policy.check(&password, &context))
            .await
    }

    /// Hashes a password that the policy accepted.
    ///
    /// # Errors
    /// [`AuthError::Busy`].
    pub async fn hash(&self, password: &Zeroizing<String>) -> Result<PasswordHash, AuthError> {
        let (cost, password) = (self.cost, password.clone());
        self.run("hash", 0, move || PasswordHash::new(&password, cost))
            .await?
            .map_err(|e| AuthError::Internal(e.to_string()))
    }

    /// Whether `hash` should be replaced by one of our own of today's cost.
    #[must_use]
    pub const fn is_weak(&self, hash: &PasswordHash) -> bool {
        hash.is_weaker_than(self.cost)
    }

    async fn run<T, F>(&self, job: &'static str, memory: usize, work: F) -> Result<T, AuthError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let timer = self.seconds.with_label_values(&[job]).start_timer();
        let result = self.pool.run(memory, work).await;
        timer.observe_duration();
        let outcome = match result {
            Ok(_) => "done",
            Err(HashPoolError::Busy) => "busy",
            Err(HashPoolError::Panicked) => "panicked",
        };
        self.jobs.with_label_values(&[job, outcome]).inc();
        #[expect(clippy::cast_precision_loss, reason = "a queue has some dozen places")]
        let waiting = self.pool.waiting() as f64;
        self.waiting.with_label_values::<&str>(&[]).set(waiting);
        Ok(result?)
    }
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Passwords").field(&self.pool).finish()
    }
}
