//! How long a peer may take to take what it is sent.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use crate::ticket::{Close, Ticket};

/// While there is more to send, a peer takes at least [`LEAST`] bytes in this time. It is also TCP_USER_TIMEOUT
/// (RFC 5482), which ends what takes nothing at all, on listeners without a request too.
pub(crate) const TAKE_DEADLINE: Duration = Duration::from_secs(30);

/// A kilobyte a second: less than the slowest mobile network, more than who only wants to keep a place would read.
const LEAST: usize = 32 * 1024;

/// How long a connection that is told to close once it is idle waits for a peer that takes nothing.
const GRACE: Duration = Duration::from_secs(1);

/// What is sent and not yet taken: the socket's buffer is full.
pub(crate) struct Sending {
    /// When the present [`TAKE_DEADLINE`] began, and what was taken in it.
    since: Instant,
    taken: usize,
    last_taken: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Sending {
    pub(crate) fn begin() -> Self {
        let now = Instant::now();
        Self {
            since: now,
            taken: 0,
            last_taken: now,
            alarm: Box::pin(tokio::time::sleep_until(now + TAKE_DEADLINE)),
        }
    }

    /// Notes that the peer took `count` bytes.
    pub(crate) fn take(&mut self, count: usize) {
        self.taken += count;
        self.last_taken = Instant::now();
    }

    /// Waits for the peer, but not for ever.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] once it has taken too little, or has to make room.
    pub(crate) fn wait<T>(&mut self, ticket: &Ticket, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let now = Instant::now();
        if now >= self.since + TAKE_DEADLINE && self.taken >= LEAST {
            self.since = now;
            self.taken = 0;
        }
        let mut end = self.since + TAKE_DEADLINE;
        if !ticket.is_busy() {
            if ticket.is_told(Close::Now) {
                end = now;
            } else if ticket.is_told(Close::Idle) {
                end = end.min(self.last_taken + GRACE);
            }
        }
        if now >= end {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.alarm.as_mut().reset(end);
        if self.alarm.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
