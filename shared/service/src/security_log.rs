//! Refusals worth a line in the audit log (SECURITY rule 33), through bounded queues, so that an attacker can neither
//! fill the audit log nor slow a request down.
//!
//! Bounds for one process and window (a minute), whoever asks and however many they are:
//!
//! | security events | singly | then |
//! |---|---|---|
//! | of one event by one user or [`LimitKey::Source`] | [`SINGLY`] | one sum |
//! | of one event by callers without a name | [`Budget::STRANGERS`] | one sum of all of them |
//! | of all events by callers without a name | [`Budget::STRANGERS`] | one sum for each event |
//! | of one event, of all events, by users | [`Budget::USERS`] | one sum for each event |
//! | of an event with a lane by callers without a name | 200 | one sum of all of them |
//! | of an event with a lane by users | [`SINGLY`] each | one sum for each of [`MAX_USERS`] |

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use prometheus::IntCounter;
use tokio::sync::mpsc;
use ud_kernel::{Clock, EventType, LimitKey, Timestamp, UserId, models::Provenance};
use ud_telemetry::Metrics;

/// This many of one event from one source are recorded singly in a [`WINDOW`]; the rest are counted.
const SINGLY: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Users counted by themselves in a lane where every one of them is.
const MAX_USERS: usize = 10_000;

/// Events that a flood of the others must not hide: each has a queue and a budget of its own, after the lane of lockouts.
static LANES: LazyLock<Vec<EventType>> =
    LazyLock::new(|| EventType::all().filter(|event| event.has_lane()).collect());
/// The lane of lockouts: of each `rate_limited` that is not about an operation.
const LOCKOUT: usize = 1;

/// Returns how many queues there are: that of the others, that of lockouts, the lanes.
fn queues() -> usize {
    LOCKOUT + 1 + LANES.len()
}

/// How many security events are recorded singly in a window.
#[derive(Debug, Clone, Copy)]
struct Budget {
    of_one_event: u32,
    in_all: u32,
}

impl Budget {
    /// For what callers without a name cause.
    const STRANGERS: Self = Self {
        of_one_event: 200,
        in_all: 600,
    };
    /// For what users cause: anybody can register, though not as often as they like.
    const USERS: Self = Self {
        of_one_event: 600,
        in_all: 1200,
    };
}

/// Something refused, or another security event without a state change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityEvent {
    /// What happened: `permission_denied`, `service_token_refused`, `login_failed`, ...
    pub kind: EventType,
    /// Where the request came from and who made it, if known.
    pub origin: Provenance,
    /// Kind of thing it was about: `operation`, `user`, ...
    pub target_type: &'static str,
    /// Which one: a user id, or method and route pattern. Never an identifier as typed by a client.
    pub target_id: String,
}

impl SecurityEvent {
    /// Its place in the queues: 0 without a lane of its own.
    fn lane(&self) -> usize {
        if self.kind == EventType::RATE_LIMITED && self.target_type != "operation" {
            return LOCKOUT;
        }
        let place = LANES.iter().position(|event| *event == self.kind);
        place.map_or(0, |place| LOCKOUT + 1 + place)
    }
}

/// A security event on its way into the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedEvent {
    /// What happened; of several that were counted, the first. Of several sources it names none.
    pub event: SecurityEvent,
    /// When; of several that were counted, the last.
    pub at: Timestamp,
    /// How many this stands for; more than one where they were counted.
    pub count: u64,
}

/// The receiving end of a [`SecurityLog`].
#[derive(Debug)]
pub struct SecurityEvents(Vec<mpsc::Receiver<NotedEvent>>);

impl SecurityEvents {
    /// Waits for security events, and adds at most `most` of them to `security_events`, those in lanes of their own first.
    /// Adds none when every [`SecurityLog`] is gone.
    pub async fn recv_many(&mut self, security_events: &mut Vec<NotedEvent>, most: usize) {
        poll_fn(|context| {
            let before = security_events.len();
            let mut open = false;
            for lane in self.0.iter_mut().rev() {
                let room = most.saturating_sub(security_events.len() - before);
                if room == 0 {
                    break;
                }
                match lane.poll_recv_many(context, security_events, room) {
                    Poll::Ready(0) => {}
                    Poll::Ready(_) | Poll::Pending => open = true,
                }
            }
            if security_events.len() > before || !open {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// A security event that is there already.
    pub fn try_recv(&mut self) -> Option<NotedEvent> {
        let mut lanes = self.0.iter_mut().rev();
        lanes.find_map(|lane| lane.try_recv().ok())
    }
}

/// What is counted of one event by one caller in the running window.
#[derive(Default)]
struct Count {
    seen: u32,
    sum: Option<NotedEvent>,
}

/// Singly recorded security events of the running window.
#[derive(Default)]
struct Spent {
    by_event: HashMap<EventType, u32>,
    in_all: u32,
}

impl Spent {
    /// Takes one place for `event` out of `budget`, if there is one.
    fn take(&mut self, event: EventType, budget: Budget) -> bool {
        let of_event = self.by_event.entry(event).or_default();
        let has_room = *of_event < budget.of_one_event && self.in_all < budget.in_all;
        if has_room {
            *of_event += 1;
            self.in_all += 1;
        }
        has_room
    }
}

#[derive(Default)]
struct Window {
    start: Option<Timestamp>,
    /// Each has been recorded singly at least once, so that budgets bound them.
    callers: HashMap<(usize, EventType, Option<LimitKey>), Count>,
    /// What no budget had room for, by whether users caused it.
    others: HashMap<(usize, EventType, bool), Option<NotedEvent>>,
    strangers: Spent,
    users: Spent,
    lanes: HashMap<usize, Spent>,
}

impl Window {
    /// Starts anew at `now`. Returns what was counted.
    fn end(&mut self, now: Timestamp) -> Vec<NotedEvent> {
        let ended = std::mem::take(self);
        self.start = Some(now);
        let of_callers = ended.callers.into_values().filter_map(|count| count.sum);
        let of_others = ended.others.into_values().flatten();
        of_callers.chain(of_others).collect()
    }

    /// Whether a first event of this caller may be recorded singly.
    fn has_room(&mut self, lane: usize, event: EventType, is_user: bool) -> bool {
        match (lane, is_user) {
            (0, true) => self.users.take(event, Budget::USERS),
            (0, false) => self.strangers.take(event, Budget::STRANGERS),
            (_, true) => self.callers.len() < MAX_USERS,
            (_, false) => {
                let spent = self.lanes.entry(lane).or_default();
                spent.take(event, Budget::STRANGERS)
            }
        }
    }
}

/// Takes security events from request handlers. Clones share the queues.
#[derive(Clone)]
pub struct SecurityLog {
    senders: Arc<[mpsc::Sender<NotedEvent>]>,
    window: Arc<Mutex<Window>>,
    dropped: IntCounter,
    clock: Clock,
}

impl SecurityLog {
    /// Room for security events that wait to be written, in each queue.
    pub(crate) const ROOM: usize = 1024;

    /// The log, and the receiving end from which a service writes its outbox. `room` is that of each queue; `metrics`
    /// tells how many security events were lost to a full one.
    #[must_use]
    pub fn new(clock: Clock, room: usize, metrics: &Metrics) -> (Self, SecurityEvents) {
        let queues = (0..queues()).map(|_| mpsc::channel(room));
        let (senders, receivers): (Vec<_>, Vec<_>) = queues.unzip();
        let dropped = metrics.counter_vec(
            "security_events_dropped_total",
            "Security events that the audit log will not have, because the queue was full.",
            &[],
        );
        let log = Self {
            senders: senders.into(),
            window: Arc::default(),
            dropped: dropped.with_label_values::<&str>(&[]),
            clock,
        };
        (log, SecurityEvents(receivers))
    }

    /// Takes a security event without waiting. A full queue drops it and counts that.
    pub fn note(&self, event: SecurityEvent) {
        let (ended, single) = self.admit(event);
        self.send(ended);
        self.send(single);
    }

    /// Hands over what was counted and whose window has ended; called about once a minute.
    pub fn flush(&self) {
        let now = self.clock.now();
        let counted = roll(&mut self.window(), now);
        self.send(counted);
    }

    /// Hands over what was counted, whether or not its window has ended; called when the process stops.
    pub fn finish(&self) {
        let counted = self.window().end(self.clock.now());
        self.send(counted);
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, security_events: impl IntoIterator<Item = NotedEvent>) {
        for noted in security_events {
            let count = noted.count;
            let queue = self.senders.get(noted.event.lane());
            if queue.is_none_or(|queue| queue.try_send(noted).is_err()) {
                self.dropped.inc_by(count);
            }
        }
    }

    /// Returns what an ended window had counted, and the event where it is to be recorded singly.
    fn admit(&self, event: SecurityEvent) -> (Vec<NotedEvent>, Option<NotedEvent>) {
        let now = self.clock.now();
        let mut window = self.window();
        let ended = roll(&mut window, now);
        let (lane, kind, caller) = (event.lane(), event.kind, event.origin.limit_key());
        let is_user = event.origin.actor_id.is_some();
        let noted = NotedEvent {
            event,
            at: now,
            count: 1,
        };
        let key = (lane, kind, caller);
        let seen = window.callers.get(&key).map_or(0, |count| count.seen);
        let may_be_single = seen < SINGLY && window.has_room(lane, kind, is_user);
        if may_be_single {
            window.callers.entry(key).or_default().seen += 1;
            return (ended, Some(noted));
        }
        if seen >= SINGLY {
            add(&mut window.callers.entry(key).or_default().sum, noted);
        } else {
            let others = window.others.entry((lane, kind, is_user)).or_default();
            add(others, anonymous(noted));
        }
        (ended, None)
    }
}

/// Adds one to what was counted, or begins with it.
fn add(sum: &mut Option<NotedEvent>, noted: NotedEvent) {
    match sum {
        Some(sum) => {
            sum.count += 1;
            sum.at = noted.at;
        }
        None => *sum = Some(noted),
    }
}

/// The first of a sum over many callers and targets: it names none of them.
fn anonymous(noted: NotedEvent) -> NotedEvent {
    let event = SecurityEvent {
        origin: Provenance {
            request_id: noted.event.origin.request_id,
            ..Provenance::default()
        },
        target_id: String::new(),
        ..noted.event
    };
    NotedEvent { event, ..noted }
}

/// Starts a new window if the last has ended; gives what was counted in it.
fn roll(window: &mut Window, now: Timestamp) -> Vec<NotedEvent> {
    let start = *window.start.get_or_insert(now);
    if now.since(start) < WINDOW && now >= start {
        return Vec::new();
    }
    window.end(now)
}

/// The event of a refused permission.
pub fn permission_denied(origin: Provenance, user: UserId, operation: String) -> SecurityEvent {
    SecurityEvent {
        kind: EventType::PERMISSION_DENIED,
        origin: Provenance {
            actor_id: Some(user),
            ..origin
        },
        target_type: "operation",
        target_id: operation,
    }
}

#[cfg(test)]
#[path = "security_log_tests.rs"]
mod tests;
