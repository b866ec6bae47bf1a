//! Refusals worth a line in the audit log (SECURITY rule 33), through a bounded queue so that an attacker
//! cannot fill the audit log or slow a request down.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::IntCounter;
use tokio::sync::mpsc;
use ud_kernel::{Clock, Timestamp, UserId, models::Origin};
use ud_telemetry::Metrics;

/// So many of one kind from one source are told singly in a [`WINDOW`]; the rest are counted.
const SINGLY: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Sources remembered at once; beyond it everything new is counted under one source.
const MAX_SOURCES: usize = 10_000;

/// Something refused, or another security event without a state change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityNotice {
    /// Event type: `permission_denied`, `service_token_refused`, `login_failed`, ...
    pub event: &'static str,
    /// Where the request came from and who made it, if known.
    pub origin: Origin,
    /// Kind of thing it was about: `operation`, `user`, ...
    pub target_type: &'static str,
    /// Which one: a user id, or method and route pattern. Never an identifier as typed by a client.
    pub target_id: String,
}

/// A notice on its way into the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedNotice {
    /// What happened; of several that were counted, the first.
    pub notice: SecurityNotice,
    /// When; of several that were counted, the last.
    pub at: Timestamp,
    /// How many this stands for; more than one where they were counted.
    pub count: u64,
}

#[derive(Default)]
struct Sources {
    window_start: Option<Timestamp>,
    seen: HashMap<(&'static str, String), (u32, Option<NotedNotice>)>,
}

/// Takes notices from request handlers. Clones share one queue.
#[derive(Clone)]
pub struct SecurityLog {
    sender: mpsc::Sender<NotedNotice>,
    sources: Arc<Mutex<Sources>>,
    dropped: IntCounter,
    clock: Clock,
}

impl SecurityLog {
    /// The log, and the receiving end from which a service writes its outbox. `metrics` tells how many notices were
    /// lost to a full queue.
    #[must_use]
    pub fn new(
        clock: Clock,
        capacity: usize,
        metrics: &Metrics,
    ) -> (Self, mpsc::Receiver<NotedNotice>) {
        let (sender, receiver) = mpsc::channel(capacity);
        let dropped = metrics.counter_vec(
            "security_notices_dropped_total",
            "Security notices that the audit log will not have, because the queue was full.",
            &[],
        );
        let log = Self {
            sender,
            sources: Arc::default(),
            dropped: dropped.with_label_values::<&str>(&[]),
            clock,
        };
        (log, receiver)
    }

    /// Takes a notice without waiting. A full queue drops it and counts that.
    pub fn note(&self, notice: SecurityNotice) {
        let ready = self.admit(notice);
        self.send(ready);
    }

    /// Hands over what was counted and whose window has ended; called about once a minute.
    pub fn flush(&self) {
        let now = self.clock.now();
        let counted = roll(&mut self.sources(), now);
        self.send(counted);
    }

    /// Hands over what was counted, whether or not its window has ended; called when the process stops.
    pub fn finish(&self) {
        let counted = new_window(&mut self.sources(), self.clock.now());
        self.send(counted);
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, notices: Vec<NotedNotice>) {
        for notice in notices {
            let count = notice.count;
            if self.sender.try_send(notice).is_err() {
                self.dropped.inc_by(count);
            }
        }
    }

    fn admit(&self, notice: SecurityNotice) -> Vec<NotedNotice> {
        let now = self.clock.now();
        let mut sources = self.sources();
        let mut ready = roll(&mut sources, now);
        let source = match (&notice.origin.actor_id, &notice.origin.ip) {
            (Some(actor), _) => actor.to_string(),
            (None, Some(ip)) => ip.clone(),
            (None, None) => String::new(),
        };
        let mut key = (notice.event, source);
        if sources.seen.len() >= MAX_SOURCES && !sources.seen.contains_key(&key) {
            key.1 = "others".to_owned();
        }
        let (count, counted) = sources.seen.entry(key).or_default();
        *count += 1;
        if let Some(counted) = counted {
            counted.count += 1;
            counted.at = now;
            return ready;
        }
        let noted = NotedNotice {
            notice,
            at: now,
            count: 1,
        };
        if *count <= SINGLY {
            ready.push(noted);
        } else {
            *counted = Some(noted);
        }
        ready
    }
}

/// Starts a new window if the last has ended; gives what was counted in it.
fn roll(sources: &mut Sources, now: Timestamp) -> Vec<NotedNotice> {
    let start = *sources.window_start.get_or_insert(now);
    if now.since(start) < WINDOW && now >= start {
        return Vec::new();
    }
    new_window(sources, now)
}

fn new_window(sources: &mut Sources, now: Timestamp) -> Vec<NotedNotice> {
    sources.window_start = Some(now);
    sources
        .seen
        .drain()
        .filter_map(|(_, (_, counted))| counted)
        .collect()
}

/// The notice of a refused permission.
pub(crate) fn permission_denied(origin: Origin, user: UserId, operation: String) -> SecurityNotice {
    SecurityNotice {
        event: "permission_denied",
        origin: Origin {
            actor_id: Some(user),
            ..origin
        },
        target_type: "operation",
        target_id: operation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(ip: &str) -> SecurityNotice {
        SecurityNotice {
            event: "login_failed",
            origin: Origin {
                ip: Some(ip.to_owned()),
                ..Origin::default()
            },
            target_type: "user",
            target_id: String::new(),
        }
    }

    #[test]
    fn a_flood_is_told_twenty_times_and_then_counted() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let (log, mut queue) = SecurityLog::new(clock.clone(), 1000, &Metrics::new("auth"));
        for _ in 0..500 {
            log.note(notice("192.0.2.1"));
        }
        log.note(notice("192.0.2.2"));
        clock.advance(WINDOW);
        log.flush();
        let mut told = Vec::new();
        while let Ok(n) = queue.try_recv() {
            told.push(n);
        }
        assert_eq!(told.len(), 22);
        assert_eq!(told.iter().map(|n| n.count).sum::<u64>(), 501);
        assert_eq!(told.last().unwrap().count, 480);
    }

    #[test]
    fn what_was_counted_is_told_at_a_stop_with_its_own_time() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let (log, mut queue) = SecurityLog::new(clock.clone(), 1000, &Metrics::new("auth"));
        for _ in 0..30 {
            log.note(notice("192.0.2.1"));
            clock.advance(Duration::from_secs(1));
        }
        log.finish();
        log.finish();
        let mut told = Vec::new();
        while let Ok(n) = queue.try_recv() {
            told.push((n.at.as_millis(), n.count));
        }
        assert_eq!(told.len(), 21);
        assert_eq!(told.first(), Some(&(0, 1)));
        assert_eq!(told.last(), Some(&(29_000, 10)));
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let metrics = Metrics::new("auth");
        let (log, _queue) = SecurityLog::new(clock, 2, &metrics);
        for i in 0..5 {
            log.note(notice(&format!("192.0.2.{i}")));
        }
        let told = metrics.render();
        let line = "security_notices_dropped_total{service=\"auth\"} 3\n";
        assert!(told.contains(line), "{told}");
    }
}
