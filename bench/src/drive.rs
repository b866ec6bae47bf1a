//! Load: virtual clients that each send their next request when the last is answered, or at a fixed rate.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use crate::stats::Figure;

/// A virtual client.
pub trait Client: Send + 'static {
    /// Sends one request and checks the answer; what was wrong with it, if something was.
    fn call(&mut self) -> impl Future<Output = Result<(), String>> + Send;
}

/// When a round ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After `span`, which begins after `warm`.
    Time {
        /// Not counted.
        warm: Duration,
        /// Counted.
        span: Duration,
    },
    /// After so many requests of all clients together; all are counted.
    Count(usize),
}

/// What one client saw.
#[derive(Debug, Default)]
struct Seen {
    /// When each answer was there, and how long it took.
    answers: Vec<(Instant, Duration)>,
    wrong: u64,
    first_wrong: Option<String>,
}

impl Seen {
    fn note(&mut self, outcome: Result<(), String>, at: Instant, took: Duration) -> bool {
        match outcome {
            Ok(()) => {
                self.answers.push((at, took));
                true
            }
            Err(why) => {
                self.wrong += 1;
                self.first_wrong.get_or_insert(why);
                false
            }
        }
    }
}

/// Lets all `clients` work at once; the figure, and the clients, to go on from where they were.
pub async fn closed<C: Client>(clients: Vec<C>, until: Until) -> (Figure, Vec<C>) {
    let begun = Instant::now();
    let (from, to, count) = match until {
        Until::Time { warm, span } => (begun + warm, begun + warm + span, usize::MAX),
        Until::Count(count) => (begun, begun + Duration::from_secs(3_600), count),
    };
    let left = Arc::new(AtomicUsize::new(count));
    let running: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let left = Arc::clone(&left);
            tokio::spawn(async move {
                let mut seen = Seen::default();
                let take = |n: usize| n.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    let sent = Instant::now();
                    if sent >= to {
                        break;
                    }
                    let outcome = client.call().await;
                    let now = Instant::now();
                    // A client that lost its way would only repeat the same mistake.
                    if !seen.note(outcome, now, now - sent) {
                        break;
                    }
                }
                (seen, client)
            })
        })
        .collect();
    let (seen, clients) = join(running).await;
    let mut counted = Vec::new();
    let mut last = from;
    for (at, took) in seen.iter().flat_map(|s| &s.answers) {
        if (from..to).contains(at) {
            counted.push(*took);
            last = last.max(*at);
        }
    }
    let length = match until {
        Until::Time { span, .. } => span,
        Until::Count(_) => last - from,
    };
    let rate = counted.len() as f64 / length.as_secs_f64().max(f64::MIN_POSITIVE);
    (with_wrong(Figure::new(rate, counted), &seen), clients)
}

/// Sends `rate` requests a second, spread evenly over `clients`, for `span`. A request that could not be sent in time,
/// because its client still waited for the last answer, is counted as waiting from when it was due.
pub async fn paced<C: Client>(clients: Vec<C>, rate: f64, span: Duration) -> (Figure, Vec<C>) {
    let begun = Instant::now();
    let step = Duration::from_secs_f64(clients.len() as f64 / rate);
    let offset = Duration::from_secs_f64(1.0 / rate);
    let running: Vec<_> = clients
        .into_iter()
        .zip(0_u32..)
        .map(|(mut client, index)| {
            tokio::spawn(async move {
                let mut seen = Seen::default();
                let mut due = begun + offset * index;
                while due < begun + span {
                    let is_late = Instant::now() > due;
                    sleep_until(due).await;
                    let from = if is_late { due } else { Instant::now() };
                    let outcome = client.call().await;
                    let now = Instant::now();
                    if !seen.note(outcome, now, now - from) {
                        break;
                    }
                    due += step;
                }
                (seen, client)
            })
        })
        .collect();
    let (seen, clients) = join(running).await;
    let answers = seen.iter().flat_map(|s| &s.answers);
    let times: Vec<_> = answers.map(|(_, took)| *took).collect();
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    (with_wrong(Figure::new(rate, times), &seen), clients)
}

/// Load in the background, until told to stop.
#[derive(Debug)]
pub struct Background {
    stop: Arc<AtomicBool>,
    begun: Instant,
    running: Vec<JoinHandle<Seen>>,
}

impl Background {
    /// Lets all `clients` work at once from now on.
    pub fn start<C: Client>(clients: Vec<C>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let spawn = |mut client: C| {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut seen = Seen::default();
                while !stop.load(Ordering::Relaxed) {
                    let sent = Instant::now();
                    let outcome = client.call().await;
                    let now = Instant::now();
                    if !seen.note(outcome, now, now - sent) {
                        break;
                    }
                }
                seen
            })
        };
        let running = clients.into_iter().map(spawn).collect();
        Self {
            stop,
            begun: Instant::now(),
            running,
        }
    }

    /// Ends it when the requests in flight are answered; what it saw.
    pub async fn stop(self) -> Figure {
        self.stop.store(true, Ordering::Relaxed);
        let mut seen = Vec::new();
        for one in self.running {
            seen.push(one.await.expect("a client does not panic"));
        }
        let answers = seen.iter().flat_map(|s| &s.answers);
        let times: Vec<_> = answers.map(|(_, took)| *took).collect();
        let rate = times.len() as f64 / self.begun.elapsed().as_secs_f64();
        with_wrong(Figure::new(rate, times), &seen)
    }
}

async fn join<C>(running: Vec<JoinHandle<(Seen, C)>>) -> (Vec<Seen>, Vec<C>) {
    let (mut seen, mut clients) = (Vec::new(), Vec::new());
    for one in running {
        let (own, client) = one.await.expect("a client does not panic");
        seen.push(own);
        clients.push(client);
    }
    (seen, clients)
}

fn with_wrong(figure: Figure, seen: &[Seen]) -> Figure {
    Figure {
        wrong: seen.iter().map(|s| s.wrong).sum(),
        first_wrong: seen.iter().find_map(|s| s.first_wrong.clone()),
        ..figure
    }
}
