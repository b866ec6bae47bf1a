//! Threads that wait for the database, so that those that serve requests need not.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};
use ud_kernel::Service;

/// As many threads as there are connections, and a queue before them: tokio's own, of a runtime that does nothing else. A
/// thread that is done takes the next call from the queue by itself; nobody has to be woken to hand it over.
pub(crate) struct Threads {
    handle: Handle,
    /// There until this is dropped.
    runtime: Option<Runtime>,
}

impl Threads {
    /// Starts no thread yet: they come with need and go when idle.
    pub(crate) fn new(service: Service, count: u32) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(count as usize)
            .thread_name(format!("{service}-db"))
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Runs `work` when a thread is free, in the order of calls.
    pub(crate) fn spawn<T, F>(&self, work: F) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.handle.spawn_blocking(work)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for the threads to end, as a runtime does by itself, is not allowed on those of another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A call in the queue: counted as waiting until it begins or is given up, whichever is first. Dropped, it is given up.
pub(crate) struct Turn(Arc<State>);

/// The half of a [`Turn`] that is on the thread.
pub(crate) struct Taken(Arc<State>);

struct State {
    /// When it began; nothing if it was given up.
    begun: OnceLock<Option<Instant>>,
    waiting: Arc<AtomicU32>,
}

impl State {
    /// What was settled first.
    fn settle(&self, begun: Option<Instant>) -> Option<Instant> {
        *self.begun.get_or_init(|| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            begun
        })
    }
}

impl Turn {
    pub(crate) fn new(waiting: &Arc<AtomicU32>) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(State {
            begun: OnceLock::new(),
            waiting: Arc::clone(waiting),
        }))
    }

    pub(crate) fn share(&self) -> Taken {
        Taken(Arc::clone(&self.0))
    }

    /// When it began, if it has.
    pub(crate) fn begun(&self) -> Option<Instant> {
        self.0.begun.get().copied().flatten()
    }

    /// When it began; if it has not, it never will.
    pub(crate) fn give_up_unless_begun(&self) -> Option<Instant> {
        self.0.settle(None)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.give_up_unless_begun();
    }
}

impl Taken {
    /// Begins, unless it was given up.
    pub(crate) fn begin(&self) -> Option<Instant> {
        self.0.settle(Some(Instant::now()))
    }
}
