//! Decides which connections may be open and which are closed first (SECURITY rule 26).
//!
//! A connection is a descriptor, and a process has only so many. The public listener keeps a place for everybody: no
//! peer has more than half of the places, and from half of them on an idle connection of the peer with the most is
//! closed for each new one. Trusted proxies, behind which everybody may be, have the total only.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    time::Instant,
};

use futures_util::task::AtomicWaker;
use prometheus::{Gauge, IntCounter};
use tokio::sync::watch;
use ud_kernel::Source;
use ud_telemetry::Metrics;

use crate::TrustedProxies;

/// The connections of one listener. A clone is the same.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Inner>);

struct Inner {
    room: usize,
    peers: Peers,
    epoch: Instant,
    open: Mutex<Open>,
    /// How many are open.
    count: watch::Sender<usize>,
    gauge: Gauge,
    closed: IntCounter,
    refused: IntCounter,
}

/// How the peers of a listener share its places.
pub(crate) enum Peers {
    /// Fairly, by their source; trusted proxies have the total only.
    Public(TrustedProxies),
    /// Services of ours have the total only.
    Internal,
}

#[derive(Default)]
struct Open {
    next: u64,
    by_source: HashMap<Source, HashMap<u64, Arc<Ticket>>>,
    /// The same sources, by how many connections each has.
    by_count: BTreeSet<(usize, Source)>,
    /// Connections of peers that have the total only.
    unshared: HashMap<u64, Arc<Ticket>>,
    total: usize,
    /// How many were told to close and are still there.
    leaving: usize,
}

/// When a connection is to close.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Close {
    /// When it likes.
    Never = 0,
    /// As soon as no request is under way on it, half a head included.
    Idle = 1,
    /// As soon as no handler works for it.
    Now = 2,
}

/// What is known of one connection; shared by the registry, the connection, and the requests on it.
pub(crate) struct Ticket {
    epoch: Instant,
    /// Requests whose answers are not complete.
    busy: AtomicUsize,
    /// Requests that have begun.
    requests: AtomicU64,
    /// Milliseconds after `epoch` since when nothing is under way.
    idle_since: AtomicU64,
    close: AtomicU8,
    waker: AtomicWaker,
}

impl Ticket {
    fn new(epoch: Instant) -> Self {
        let ticket = Self {
            epoch,
            busy: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            close: AtomicU8::new(Close::Never as u8),
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

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
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

    fn tell(&self, when: Close) {
        self.close.fetch_max(when as u8, Ordering::AcqRel);
        self.waker.wake();
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
    }
}

/// The place of one open connection, given back when dropped.
pub(crate) struct Place {
    connections: Connections,
    source: Option<Source>,
    id: u64,
    ticket: Arc<Ticket>,
}

impl Place {
    pub(crate) const fn ticket(&self) -> &Arc<Ticket> {
        &self.ticket
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.leave(self);
    }
}

impl Connections {
    /// Of the listener called `name` in metrics, with `room` places.
    pub(crate) fn new(name: &str, room: usize, peers: Peers, metrics: &Metrics) -> Self {
        let ended = metrics.counter_vec(
            "http_server_connections_ended_total",
            "Connections that were closed while idle to make room (closed), or not taken because there was none \
             (refused).",
            &["listener", "how"],
        );
        Self(Arc::new(Inner {
            room,
            peers,
            epoch: Instant::now(),
            open: Mutex::default(),
            count: watch::Sender::new(0),
            gauge: metrics
                .gauge_vec(
                    "http_server_connections",
                    "Open connections.",
                    &["listener"],
                )
                .with_label_values(&[name]),
            closed: ended.with_label_values(&[name, "closed"]),
            refused: ended.with_label_values(&[name, "refused"]),
        }))
    }

    /// A place for a new connection of `peer`, if there is one; it may cost somebody else's idle connection its own.
    pub(crate) fn admit(&self, peer: IpAddr) -> Option<Place> {
        let inner = &*self.0;
        let source = match &inner.peers {
            Peers::Public(proxies) if !proxies.trusts(peer) => Some(Source::of(peer)),
            Peers::Public(_) | Peers::Internal => None,
        };
        let mut open = self.open();
        if !open.has_room(source, inner) {
            inner.refused.inc();
            return None;
        }
        let ticket = Arc::new(Ticket::new(inner.epoch));
        let id = open.enter(source, &ticket);
        self.publish(open.total);
        drop(open);
        Some(Place {
            connections: self.clone(),
            source,
            id,
            ticket,
        })
    }

    /// Tells every connection to close as soon as nothing is under way on it.
    pub(crate) fn close_idle(&self) {
        let open = self.open();
        let shared = open.by_source.values().flat_map(HashMap::values);
        for ticket in shared.chain(open.unshared.values()) {
            ticket.tell(Close::Idle);
        }
    }

    /// Returns once no connection is open.
    pub(crate) async fn all_closed(&self) {
        let mut count = self.0.count.subscribe();
        // The sender is here: it cannot be gone.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    /// Returns how many are open.
    pub(crate) fn count(&self) -> usize {
        *self.0.count.borrow()
    }

    fn leave(&self, place: &Place) {
        let mut open = self.open();
        open.leave(place.source, place.id);
        self.publish(open.total);
    }

    #[allow(clippy::cast_precision_loss, reason = "a gauge")]
    fn publish(&self, total: usize) {
        self.0.gauge.set(total as f64);
        self.0.count.send_replace(total);
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Returns whether one more of `source` may come; closes another's idle connection if that makes it so.
    fn has_room(&mut self, source: Option<Source>, inner: &Inner) -> bool {
        let mine = source.map_or(0, |source| self.count_of(source));
        if source.is_some() && mine + 1 > inner.room.div_ceil(2) {
            return false;
        }
        // Those that still leave are bounded too: each holds its descriptor until it is gone.
        if self.total >= inner.room + inner.room / 8 {
            return false;
        }
        let in_use = self.total - self.leaving;
        if in_use < inner.room / 2 {
            return true;
        }
        let is_full = in_use >= inner.room;
        // Nobody is closed for the sake of a peer that has more itself.
        let made = self.close_one(mine, is_full);
        if made {
            inner.closed.inc();
        }
        made || !is_full
    }

    /// Tells the connection that has been idle longest to close: one of the source that has the most, if that is at
    /// least `least`, otherwise of the next. With `heads` also one that has sent half a request.
    fn close_one(&mut self, least: usize, heads: bool) -> bool {
        let sources = self.by_count.iter().rev();
        let victim = sources
            .take_while(|(count, _)| *count >= least.max(1))
            .find_map(|(_, source)| {
                let tickets = self.by_source.get(source)?.values();
                tickets
                    .filter(|ticket| !ticket.is_busy() && !ticket.is_told(Close::Idle))
                    .min_by_key(|ticket| ticket.idle_since.load(Ordering::Relaxed))
            });
        let Some(victim) = victim else { return false };
        victim.tell(if heads { Close::Now } else { Close::Idle });
        self.leaving += 1;
        true
    }

    fn count_of(&self, source: Source) -> usize {
        self.by_source.get(&source).map_or(0, HashMap::len)
    }

    fn enter(&mut self, source: Option<Source>, ticket: &Arc<Ticket>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.total += 1;
        match source {
            Some(source) => {
                let before = self.count_of(source);
                let tickets = self.by_source.entry(source).or_default();
                tickets.insert(id, Arc::clone(ticket));
                self.recount(source, before);
            }
            None => {
                self.unshared.insert(id, Arc::clone(ticket));
            }
        }
        id
    }

    fn leave(&mut self, source: Option<Source>, id: u64) {
        self.total -= 1;
        let Some(source) = source else {
            self.unshared.remove(&id);
            return;
        };
        let before = self.count_of(source);
        let Some(tickets) = self.by_source.get_mut(&source) else {
            return;
        };
        let ticket = tickets.remove(&id);
        if tickets.is_empty() {
            self.by_source.remove(&source);
        }
        self.recount(source, before);
        // At a stop all are told, without being counted.
        if ticket.is_some_and(|ticket| ticket.is_told(Close::Idle)) {
            self.leaving = self.leaving.saturating_sub(1);
        }
    }

    fn recount(&mut self, source: Source, before: usize) {
        self.by_count.remove(&(before, source));
        let count = self.count_of(source);
        if count > 0 {
            self.by_count.insert((count, source));
        }
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
