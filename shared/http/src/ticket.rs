//! The state of one connection: the requests on it, and whether it is to close.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;

/// The moment at which a connection is to close.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Close {
    /// When it likes.
    Never = 0,
    /// As soon as no request is under way on it, half a head included.
    Idle = 1,
    /// As soon as no handler works for it; one that waits for a body does not.
    Now = 2,
}

/// The state of one connection; shared by the registry, the connection, and the requests on it.
pub(crate) struct Ticket {
    epoch: Instant,
    /// Requests whose answers are not complete.
    busy: AtomicUsize,
    /// Those of them that wait for a body, or read it.
    receiving: AtomicUsize,
    /// Requests that have begun.
    requests: AtomicU64,
    /// Milliseconds after `epoch` since when nothing is under way.
    idle_since: AtomicU64,
    close: AtomicU8,
    /// Whether nothing is read until a request is done, or waits for its body.
    is_withheld: AtomicBool,
    /// Whether the last request was answered before its body had come to an end.
    is_unread: AtomicBool,
    waker: AtomicWaker,
}

impl Ticket {
    pub(crate) fn new(epoch: Instant) -> Self {
        let ticket = Self {
            epoch,
            busy: AtomicUsize::new(0),
            receiving: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            close: AtomicU8::new(Close::Never as u8),
            is_withheld: AtomicBool::new(false),
            is_unread: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        };
        ticket.touch();
        ticket
    }

    /// Notes that a request has begun; its answer is complete when the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Notes that a request waits for its body, until the guard is dropped.
    pub(crate) fn receive(self: &Arc<Self>) -> Receiving {
        self.receiving.fetch_add(1, Ordering::AcqRel);
        if self.is_told(Close::Now) {
            self.waker.wake();
        }
        self.release();
        Receiving(Arc::clone(self))
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn is_receiving(&self) -> bool {
        self.receiving.load(Ordering::Relaxed) > 0
    }

    /// Returns whether the connection can be closed at `when` without a loss to a request.
    pub(crate) fn can_close(&self, when: Close) -> bool {
        let busy = self.busy.load(Ordering::Relaxed);
        match when {
            Close::Never => false,
            Close::Idle => busy == 0,
            Close::Now => busy <= self.receiving.load(Ordering::Relaxed),
        }
    }

    /// Notes that nothing is read for now: the connection is woken when a request is done, or waits for its body.
    pub(crate) fn withhold(&self) {
        self.is_withheld.store(true, Ordering::Release);
    }

    fn release(&self) {
        if self.is_withheld.swap(false, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Notes that a request is answered before its body has come to an end: nothing follows it on this connection.
    pub(crate) fn leave_unread(&self) {
        self.is_unread.store(true, Ordering::Relaxed);
        // Its time begins now, and nothing else may happen on it.
        self.waker.wake();
    }

    pub(crate) fn is_unread(&self) -> bool {
        self.is_unread.load(Ordering::Relaxed)
    }

    /// Returns how many requests have begun.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Returns whether the connection was told to close at `when` or earlier.
    pub(crate) fn is_told(&self, when: Close) -> bool {
        self.close.load(Ordering::Acquire) >= when as u8
    }

    /// Returns once the connection was told to close.
    pub(crate) async fn told(&self) {
        std::future::poll_fn(|cx| {
            self.register(cx.waker());
            if self.is_told(Close::Idle) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Whom to wake when the connection is told to close.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Tells it to close at `when`, or earlier if it was told so before.
    pub(crate) fn tell(&self, when: Close) {
        self.close.fetch_max(when as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    /// Returns since when nothing is under way, in milliseconds of the registry's own.
    pub(crate) fn idle_since(&self) -> u64 {
        self.idle_since.load(Ordering::Relaxed)
    }

    /// Returns for how long nothing is under way.
    pub(crate) fn idle_for(&self) -> Duration {
        let since = Duration::from_millis(self.idle_since());
        self.epoch.elapsed().saturating_sub(since)
    }

    /// Makes the connection one that has been idle since the registry began.
    #[cfg(test)]
    pub(crate) fn age(&self) {
        self.idle_since.store(0, Ordering::Relaxed);
    }

    fn touch(&self) {
        let now = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.idle_since.store(now, Ordering::Relaxed);
    }
}

/// A request whose answer is not complete.
pub(crate) struct Busy(Arc<Ticket>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.touch();
        if self.0.busy.fetch_sub(1, Ordering::AcqRel) == 1 && self.0.is_told(Close::Idle) {
            self.0.waker.wake();
        }
        self.0.release();
    }
}

/// A request that waits for its body.
pub(crate) struct Receiving(Arc<Ticket>);

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.receiving.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The ticket of the connection that a request came by.
pub(crate) fn ticket_of(req: &actix_web::HttpRequest) -> Option<&Arc<Ticket>> {
    req.conn_data::<Arc<Ticket>>()
}
