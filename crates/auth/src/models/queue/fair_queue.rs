//! The second gate of a login: a place in the queue for a hash, and then a turn. Places are fair by network, a quarter of
//! them is kept for those with evidence and a quarter for those without, and turns go round the networks that wait.
//!
//! Turns are given in the order of start-time fair queuing: each waiting request has a number, one more than that of the
//! request before it from the same wide network, and not below that of the last turn given. Where all places are taken, a
//! network that holds fewer takes the newest place of the one that holds most.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;
use ud_kernel::{Network, Source};

use super::fair_share::{Caps, Shares};

/// A request that wants a password hash computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entrant {
    /// Where the request comes from.
    pub source: Source,
    /// True if the request shows evidence, or a password was right already.
    pub has_evidence: bool,
}

/// There was no place, or no turn in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// The order of turns: number, then arrival.
type Position = (u64, u64);

struct Waiting {
    source: Source,
    wake: oneshot::Sender<Turn>,
}

/// One of two lanes: with evidence, and without.
struct Lane {
    waiting: BTreeMap<Position, Waiting>,
    /// The shares of those that wait or have a turn.
    shares: Shares,
    /// The number of the last turn given.
    now: u64,
}

impl Lane {
    fn new(caps: Caps) -> Self {
        Self {
            waiting: BTreeMap::new(),
            shares: Shares::new(caps),
            now: 0,
        }
    }

    fn waiting_of(&self, network: Network) -> usize {
        let here = |waiting: &&Waiting| waiting.source.wide() == network;
        self.waiting.values().filter(here).count()
    }

    /// Makes room for one more of `source` where `places` may be taken, by taking the newest place of the network that
    /// holds most, if that holds more than `source` would.
    fn make_room(&mut self, places: usize, source: Source) -> bool {
        if self.waiting.len() < places {
            return true;
        }
        let mut by_network: HashMap<Network, usize> = HashMap::new();
        for waiting in self.waiting.values() {
            *by_network.entry(waiting.source.wide()).or_default() += 1;
        }
        let Some((network, most)) = by_network.into_iter().max_by_key(|(_, count)| *count) else {
            return false;
        };
        if most <= self.waiting_of(source.wide()) + 1 {
            return false;
        }
        let newest = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.source.wide() == network)
            .max_by_key(|((_, arrival), _)| *arrival)
            .map(|(position, _)| *position);
        // Dropping the sender tells the one who waited.
        let Some(gone) = newest.and_then(|position| self.waiting.remove(&position)) else {
            return false;
        };
        self.shares.give_back(gone.source);
        true
    }

    /// The number of one more request of `network`, which has its share already.
    fn number(&self, network: Network) -> u64 {
        let waiting = self.waiting.iter();
        let own = waiting.filter(|(_, waiting)| waiting.source.wide() == network);
        match own.map(|((number, _), _)| *number).max() {
            Some(last) => last + 1,
            // One of its turns is not over yet.
            None if self.shares.held(network) > 1 => self.now + 1,
            None => self.now,
        }
    }

    fn pop(&mut self) -> Option<Waiting> {
        let ((number, _), waiting) = self.waiting.pop_first()?;
        self.now = self.now.max(number);
        Some(waiting)
    }
}

struct State {
    /// Turns that nobody has.
    free: usize,
    /// How many may wait in both lanes together.
    places: usize,
    arrivals: u64,
    ordinary: Lane,
    evidence: Lane,
    /// Which lane has the next turn if both wait.
    evidence_next: bool,
}

impl State {
    const fn lane(&mut self, is_evidence: bool) -> &mut Lane {
        if is_evidence {
            &mut self.evidence
        } else {
            &mut self.ordinary
        }
    }

    /// How many may wait in a lane: what the other one leaves, but for the quarter that is kept for that.
    fn places(&self, is_evidence: bool) -> usize {
        let other = if is_evidence {
            &self.ordinary
        } else {
            &self.evidence
        };
        let left = self.places.saturating_sub(other.waiting.len());
        left.min(self.places - self.places / 4)
    }

    /// Takes a share of the lane for `entrant`, and makes room there if it has to wait.
    fn take_share(&mut self, entrant: Entrant) -> bool {
        let source = entrant.source;
        let must_wait = self.free == 0;
        let places = self.places(entrant.has_evidence);
        let lane = self.lane(entrant.has_evidence);
        if !lane.shares.take(source) {
            return false;
        }
        if must_wait && !lane.make_room(places, source) {
            lane.shares.give_back(source);
            return false;
        }
        true
    }

    fn next(&mut self) -> Option<(Waiting, bool)> {
        let first = self.evidence_next;
        for is_evidence in [first, !first] {
            if let Some(waiting) = self.lane(is_evidence).pop() {
                self.evidence_next = !is_evidence;
                return Some((waiting, is_evidence));
            }
        }
        None
    }
}

/// The queue. Clones share it.
#[derive(Clone)]
pub struct FairQueue {
    state: Arc<Mutex<State>>,
    max_wait: Duration,
}

/// The right to one hash; given back when dropped.
pub struct Turn {
    queue: FairQueue,
    source: Source,
    is_evidence: bool,
}

impl FairQueue {
    /// With `turns` at a time, and `places` for those who wait, at most `max_wait`.
    #[must_use]
    pub fn new(turns: usize, places: usize, max_wait: Duration) -> Self {
        let caps = Caps::of(places);
        // Half of what is not kept for the others.
        let wide = (places - places / 4).div_ceil(2);
        let ordinary = Caps { wide, ..caps };
        let half = Caps {
            exact: caps.wide,
            middle: caps.wide,
            wide: caps.wide,
        };
        Self {
            state: Arc::new(Mutex::new(State {
                free: turns,
                places,
                arrivals: 0,
                ordinary: Lane::new(ordinary),
                evidence: Lane::new(half),
                evidence_next: true,
            })),
            max_wait,
        }
    }

    /// Waits for a turn. Dropping the future gives the place back.
    ///
    /// # Errors
    /// [`Full`] at once if there is no place, or when the place is needed for another network, or after the longest wait.
    pub async fn enter(&self, entrant: Entrant) -> Result<Turn, Full> {
        let (mut turn, place) = {
            let mut state = self.lock();
            if !state.take_share(entrant) {
                return Err(Full);
            }
            let (source, is_evidence) = (entrant.source, entrant.has_evidence);
            if state.free > 0 {
                state.free -= 1;
                return Ok(self.turn(source, is_evidence));
            }
            let (wake, turn) = oneshot::channel();
            state.arrivals += 1;
            let arrival = state.arrivals;
            let lane = state.lane(is_evidence);
            let position = (lane.number(source.wide()), arrival);
            lane.waiting.insert(position, Waiting { source, wake });
            let place = Place {
                queue: self,
                position,
                is_evidence,
            };
            (turn, place)
        };
        let result = tokio::time::timeout(self.max_wait, &mut turn).await;
        drop(place);
        match result {
            Ok(turn) => turn.map_err(|_| Full),
            // It may have come in this very moment.
            Err(_) => turn.try_recv().map_err(|_| Full),
        }
    }

    /// Returns how many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let state = self.lock();
        state.ordinary.waiting.len() + state.evidence.waiting.len()
    }

    fn turn(&self, source: Source, is_evidence: bool) -> Turn {
        Turn {
            queue: self.clone(),
            source,
            is_evidence,
        }
    }

    /// Gives the free turns to those who wait.
    fn dispatch(&self, mut state: MutexGuard<'_, State>) {
        let mut given = Vec::new();
        while state.free > 0
            && let Some((waiting, is_evidence)) = state.next()
        {
            state.free -= 1;
            given.push((waiting.wake, self.turn(waiting.source, is_evidence)));
        }
        // A turn that nobody takes any more comes back, which needs the lock.
        drop(state);
        for (wake, turn) in given {
            let _ = wake.send(turn);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.free += 1;
        let source = self.source;
        state.lane(self.is_evidence).shares.give_back(source);
        self.queue.dispatch(state);
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Turn").field(&self.is_evidence).finish()
    }
}

impl std::fmt::Debug for FairQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FairQueue").field(&self.max_wait).finish()
    }
}

/// A place in the queue, left when dropped.
struct Place<'a> {
    queue: &'a FairQueue,
    position: Position,
    is_evidence: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        let lane = state.lane(self.is_evidence);
        // Otherwise it has become a turn, or somebody else's.
        if let Some(waiting) = lane.waiting.remove(&self.position) {
            lane.shares.give_back(waiting.source);
        }
    }
}

#[cfg(test)]
#[path = "fair_queue_tests.rs"]
mod tests;
