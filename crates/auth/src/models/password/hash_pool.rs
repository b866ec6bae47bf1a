//! The only place where passwords are hashed and their strength is estimated: a few OS threads of low
//! priority behind a bounded, fair queue (`fair_queue.rs`). However many logins arrive, nothing else in the process waits
//! for them, and hashes that take much memory (argon2id, scrypt) take no more than the pool has for all of them together.

use std::{
    collections::VecDeque,
    io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};
use tokio::sync::oneshot;

use crate::models::queue::fair_queue::{Entrant, FairQueue, Turn};

/// Bytes for all jobs at a time: two of the largest hashes that are accepted.
const MEMORY: usize = 256 * 1024 * 1024;
/// Turns for each thread: one hashes while another's try is being counted.
const TURNS_PER_THREAD: usize = 2;

/// How many threads, how much memory, how many jobs wait at most, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct HashPoolSize {
    /// Threads that hash; by default one per core.
    pub threads: usize,
    /// Bytes that the jobs at work may take together; a job waits for its share.
    pub memory: usize,
    /// Requests that may wait for a turn; one more is refused.
    pub queue: usize,
    /// A request without a turn after this long, or a job that has not started after this long, is refused.
    pub max_wait: Duration,
}

impl HashPoolSize {
    /// One thread per core, 256 MiB, eight waiting requests per thread, two seconds.
    #[must_use]
    pub fn per_core() -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            threads,
            memory: MEMORY,
            queue: threads.saturating_mul(8),
            max_wait: Duration::from_secs(2),
        }
    }
}

/// A job was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashPoolError {
    /// There is no place in the queue, or no turn, thread or memory in time.
    #[error("hash pool busy")]
    Busy,
    /// The job panicked.
    #[error("job in hash pool panicked")]
    Panicked,
}

type Work = Box<dyn FnOnce() + Send>;

struct Job {
    /// Set by whoever takes the job: a thread to do it, or its caller to give it up.
    taken: Arc<AtomicBool>,
    memory: usize,
    work: Work,
}

struct Queue {
    jobs: VecDeque<Job>,
    /// What the jobs at work leave.
    memory: usize,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is a list of whole jobs: a panic elsewhere leaves nothing half done in it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first job that nobody gave up and that there is memory for, which it takes; none when the pool is
    /// closed. One that has to wait for memory holds up nobody who needs less.
    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            let free = queue.memory;
            queue.jobs.retain(|job| !job.taken.load(Ordering::Acquire));
            let fitting = queue.jobs.iter().position(|job| job.memory <= free);
            if let Some(job) = fitting.and_then(|index| queue.jobs.remove(index)) {
                if !job.taken.swap(true, Ordering::AcqRel) {
                    queue.memory -= job.memory;
                    return Some(job);
                }
                continue;
            }
            if queue.closed && queue.jobs.is_empty() {
                return None;
            }
            queue = self
                .ready
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, memory: usize) {
        if memory > 0 {
            self.lock().memory += memory;
            self.ready.notify_all();
        }
    }
}

/// Handle to the pool; the threads end when the last job is done after it was dropped.
pub struct HashPool {
    shared: Arc<Shared>,
    turns: FairQueue,
    size: HashPoolSize,
}

impl HashPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(size: HashPoolSize) -> io::Result<Self> {
        let pool = Self {
            shared: Arc::new(Shared {
                queue: Mutex::new(Queue {
                    jobs: VecDeque::new(),
                    memory: size.memory,
                    closed: false,
                }),
                ready: Condvar::new(),
            }),
            turns: FairQueue::new(
                size.threads.max(1).saturating_mul(TURNS_PER_THREAD),
                size.queue,
                size.max_wait,
            ),
            size,
        };
        for number in 0..size.threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || run_thread(&shared))?;
        }
        Ok(pool)
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`HashPoolError::Busy`] if there is no place in the queue for this network, or no turn in time.
    pub async fn enter(&self, entrant: Entrant) -> Result<Turn, HashPoolError> {
        let turn = tokio::time::timeout(self.longest_wait(), self.turns.enter(entrant)).await;
        turn.ok().and_then(Result::ok).ok_or(HashPoolError::Busy)
    }

    /// Nobody waits for longer than the request's own deadline.
    fn longest_wait(&self) -> Duration {
        let left = ud_telemetry::deadline()
            .map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
        left.map_or(self.size.max_wait, |left| left.min(self.size.max_wait))
    }

    /// Does `work`, which allocates about `memory` bytes, in the pool. Dropping the future gives the job up unless it has
    /// started; the turn lasts until the job is done or given up.
    ///
    /// # Errors
    /// [`HashPoolError::Busy`] after `max_wait` if no thread or memory was free.
    pub async fn run<T, F>(&self, turn: Turn, memory: usize, work: F) -> Result<T, HashPoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (done, mut result) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        self.push(Job {
            taken: Arc::clone(&taken),
            // A pool smaller than a job does it alone.
            memory: memory.min(self.size.memory),
            work: Box::new(move || {
                let worked = catch_unwind(AssertUnwindSafe(work));
                // Whoever is told of the result finds the turn free.
                drop(turn);
                if let Ok(worked) = worked {
                    // Whoever asked may have gone; then nobody needs the result.
                    let _ = done.send(worked);
                }
            }),
        });
        let given_up = GiveUp(taken);
        match tokio::time::timeout(self.longest_wait(), &mut result).await {
            Ok(result) => result.map_err(|_| HashPoolError::Panicked),
            Err(_) if given_up.give_up() => Err(HashPoolError::Busy),
            Err(_) => result.await.map_err(|_| HashPoolError::Panicked),
        }
    }

    /// Requests waiting for a turn, and jobs waiting for a thread or memory, those given up included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.turns.waiting() + self.shared.lock().jobs.len()
    }

    fn push(&self, job: Job) {
        // Bounded by the turns.
        self.shared.lock().jobs.push_back(job);
        self.shared.ready.notify_one();
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.ready.notify_all();
    }
}

impl std::fmt::Debug for HashPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HashPool").field(&self.size).finish()
    }
}

/// Gives its job up when dropped, so that nobody hashes for a client that has gone.
struct GiveUp(Arc<AtomicBool>);

impl GiveUp {
    /// Whether the job had not been taken by a thread.
    fn give_up(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn run_thread(shared: &Shared) {
    if let Err(error) = lower_priority() {
        log::warn!("hash threads keep normal priority: {error:?}");
    }
    while let Some(job) = shared.next() {
        (job.work)();
        shared.give_back(job.memory);
    }
}

/// Nice 10 for the current thread. Measured with validation beside a flood of logins on two cores: the
/// 99th percentile is 3.9 ms, and 7.7 ms at equal priority.
fn lower_priority() -> Result<(), thread_priority::Error> {
    // 22 of 99 is nice 10 on the crate's scale, which runs from nice 19 at 0 to nice -20 at 99.
    let value = ThreadPriorityValue::try_from(22)
        .map_err(|_| thread_priority::Error::Priority("22 is not on the scale"))?;
    set_current_thread_priority(ThreadPriority::Crossplatform(value))
}

#[cfg(test)]
#[path = "hash_pool_tests.rs"]
mod tests;
