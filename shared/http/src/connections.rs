//! Decides which connections may be open and which are closed first (SECURITY rule 26).
//!
//! A connection is a descriptor, and a process has only so many. The public listener keeps a place for everybody: no
//! peer has more than half of the places, and from half of them on an idle connection of the peer with the most is
//! closed for each new one. When all places are taken, so is one that has sent half a request, or was told to close and
//! is still there. Trusted proxies, behind which everybody may be, have the total only.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use prometheus::{Gauge, IntCounter};
use tokio::sync::watch;
use ud_kernel::Source;
use ud_telemetry::Metrics;

use crate::{
    TrustedProxies,
    ticket::{Close, Ticket},
};

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
    by_source: HashMap<Source, Holding>,
    /// The same sources, by how many connections each has; of those with equally many, who has had one longest is last.
    by_count: BTreeSet<(usize, Reverse<u64>, Source)>,
    /// Connections of peers that have the total only.
    unshared: HashMap<u64, Arc<Ticket>>,
    total: usize,
    /// How many were told to close and are still there.
    leaving: usize,
}

/// The connections of one source.
struct Holding {
    /// Number of the first of them.
    since: u64,
    tickets: HashMap<u64, Arc<Ticket>>,
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

    /// The same, begun earlier by `by`.
    #[cfg(test)]
    pub(crate) fn aged(mut self, by: std::time::Duration) -> Self {
        let epoch = self.0.epoch.checked_sub(by);
        if let (Some(inner), Some(epoch)) = (Arc::get_mut(&mut self.0), epoch) {
            inner.epoch = epoch;
        }
        self
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
        let shared = open
            .by_source
            .values()
            .flat_map(|held| held.tickets.values());
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
    /// Returns whether one more of `source` may come; closes another's connection if that makes it so.
    fn has_room(&mut self, source: Option<Source>, inner: &Inner) -> bool {
        let mine = source.map_or(0, |source| self.count_of(source));
        if source.is_some() && mine + 1 > inner.room.div_ceil(2) {
            return false;
        }
        // Those that leave hold their descriptors until they are gone, so they are counted here, and bounded.
        let is_full = self.total >= inner.room;
        if self.total >= most(inner.room) {
            return false;
        }
        if !is_full && self.total - self.leaving < inner.room / 2 {
            return true;
        }
        // Nobody is closed for the sake of a peer that has more itself.
        let when = if is_full { Close::Now } else { Close::Idle };
        let made = self.close_one(mine, when);
        if made {
            inner.closed.inc();
        }
        made || !is_full
    }

    /// Tells the connection that has been idle longest to close: one of the source that has the most, if that is at
    /// least `least`, otherwise of the next. To close now is also told to one that was told before and stays.
    fn close_one(&mut self, least: usize, when: Close) -> bool {
        let sources = self.by_count.iter().rev();
        let victim = sources
            .take_while(|(count, ..)| *count >= least.max(1))
            .find_map(|(.., source)| {
                let tickets = self.by_source.get(source)?.tickets.values();
                tickets
                    .filter(|ticket| ticket.can_close(when) && !ticket.is_told(when))
                    .min_by_key(|ticket| ticket.idle_since())
            });
        let Some(victim) = victim else { return false };
        self.leaving += usize::from(!victim.is_told(Close::Idle));
        victim.tell(when);
        true
    }

    fn count_of(&self, source: Source) -> usize {
        let held = self.by_source.get(&source);
        held.map_or(0, |held| held.tickets.len())
    }

    fn enter(&mut self, source: Option<Source>, ticket: &Arc<Ticket>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.total += 1;
        let Some(source) = source else {
            self.unshared.insert(id, Arc::clone(ticket));
            return id;
        };
        let held = self.by_source.entry(source).or_insert_with(|| Holding {
            since: id,
            tickets: HashMap::new(),
        });
        let (before, since) = (held.tickets.len(), held.since);
        held.tickets.insert(id, Arc::clone(ticket));
        self.recount(source, since, before, before + 1);
        id
    }

    fn leave(&mut self, source: Option<Source>, id: u64) {
        self.total -= 1;
        let Some(source) = source else {
            self.unshared.remove(&id);
            return;
        };
        let Some(held) = self.by_source.get_mut(&source) else {
            return;
        };
        let (before, since) = (held.tickets.len(), held.since);
        let ticket = held.tickets.remove(&id);
        let after = held.tickets.len();
        if after == 0 {
            self.by_source.remove(&source);
        }
        self.recount(source, since, before, after);
        // At a stop all are told, without being counted.
        if ticket.is_some_and(|ticket| ticket.is_told(Close::Idle)) {
            self.leaving = self.leaving.saturating_sub(1);
        }
    }

    fn recount(&mut self, source: Source, since: u64, before: usize, after: usize) {
        self.by_count.remove(&(before, Reverse(since), source));
        if after > 0 {
            self.by_count.insert((after, Reverse(since), source));
        }
    }
}

/// The most connections that may be open where `room` is given: some are told to close and not gone.
pub(crate) const fn most(room: usize) -> usize {
    room + room / 8
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
