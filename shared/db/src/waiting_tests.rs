use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::{Arc, Mutex, Once},
};

use log::Level;
use tokio::{task::JoinHandle, time::sleep_until};

use super::*;

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the lines of each test, which runs on one thread.
struct Keeper;

impl log::Log for Keeper {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = (record.level(), record.args().to_string());
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn flush(&self) {}
}

/// How many lines of `level` there are with `text`.
fn lines(level: Level, text: &str) -> usize {
    LINES.with_borrow(|lines| {
        let found = lines
            .iter()
            .filter(|(l, line)| *l == level && line.contains(text));
        found.count()
    })
}

fn all_lines() -> usize {
    LINES.with_borrow(Vec::len)
}

/// The outcome that a try is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Try {
    Done,
    Away(&'static str),
    Refused,
    Broken,
    /// Takes so long, and is broken then.
    BrokenAfter(Duration),
    /// Never ends.
    Hangs,
}

#[derive(Debug, Default)]
struct State {
    /// The last one stays.
    script: VecDeque<Try>,
    begun: Vec<Instant>,
    under_way: usize,
    is_current: bool,
    serves: bool,
}

#[derive(Debug, Clone)]
struct Scripted(Arc<Mutex<State>>);

impl Scripted {
    fn new(script: impl IntoIterator<Item = Try>) -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            log::set_logger(&Keeper).unwrap();
            log::set_max_level(log::LevelFilter::Info);
        });
        Self(Arc::new(Mutex::new(State {
            script: script.into_iter().collect(),
            ..State::default()
        })))
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    fn tries(&self) -> usize {
        self.with(|state| state.begun.len())
    }

    fn serves(&self) -> bool {
        self.with(|state| state.serves)
    }

    /// From now on every try comes to this.
    fn turn(&self, to: Try) {
        self.with(|state| state.script = [to].into());
    }

    fn start(&self) -> (JoinHandle<()>, oneshot::Receiver<Result<(), DbError>>) {
        let (first, outcome) = oneshot::channel();
        (tokio::spawn(until_migrated(self.clone(), first)), outcome)
    }

    /// The same, and nobody listens any more.
    fn start_unheard(&self) -> JoinHandle<()> {
        self.start().0
    }
}

impl Work for Scripted {
    fn service(&self) -> Service {
        Service::Role
    }

    async fn migrate(&self) -> Result<(), DbError> {
        let next = self.with(|state| {
            state.begun.push(Instant::now());
            state.under_way += 1;
            if state.script.len() > 1 {
                state.script.pop_front()
            } else {
                state.script.front().cloned()
            }
        });
        let outcome = match next.unwrap() {
            Try::Done => Ok(()),
            Try::Away(text) => Err(StoreError::Unavailable(text.to_owned()).into()),
            Try::Refused => Err(DbError::Refused("Access denied for user".to_owned())),
            Try::Broken => Err(DbError::Migration("syntax error".to_owned())),
            Try::BrokenAfter(time) => {
                sleep(time).await;
                Err(DbError::Migration("syntax error".to_owned()))
            }
            Try::Hangs => std::future::pending().await,
        };
        self.with(|state| state.under_way -= 1);
        outcome
    }

    async fn is_current(&self) -> bool {
        self.with(|state| state.is_current)
    }

    fn serve(&self) {
        self.with(|state| state.serves = true);
    }
}

/// What `task` gives; the paused clock runs through an hour at once if it does not end.
async fn ends<T>(task: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(3600), task)
        .await
        .expect("it ends")
}

/// Lets the paused clock come to `seconds` after `start`, and a little more.
async fn until(start: Instant, seconds: u64) {
    sleep_until(start + Duration::from_millis(seconds * 1000 + 500)).await;
}

const REFUSED: Try = Try::Away("connection refused");

#[tokio::test(start_paused = true)]
async fn what_is_away_is_tried_every_second_and_served_when_it_comes() {
    let work = Scripted::new([REFUSED]);
    let start = Instant::now();
    let (task, outcome) = work.start();
    assert!(matches!(ends(outcome).await, Ok(Ok(()))), "no error");
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody is kept waiting");
    until(start, 5).await;
    assert_eq!(work.tries(), 6);
    assert!(!work.serves());
    work.turn(Try::Done);
    ends(task).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(6));
    assert!(work.serves());
    assert_eq!(lines(Level::Warn, "waiting for the database of role"), 1);
    assert_eq!(lines(Level::Info, "no migration is pending"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_stays_the_same_is_told_every_minute() {
    let work = Scripted::new([REFUSED]);
    let start = Instant::now();
    let task = work.start_unheard();
    until(start, 59).await;
    assert_eq!(all_lines(), 1);
    until(start, 60).await;
    assert_eq!(all_lines(), 2);
    until(start, 600).await;
    assert_eq!(all_lines(), 11);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn what_changes_is_told_at_once() {
    let work = Scripted::new([REFUSED]);
    let start = Instant::now();
    let task = work.start_unheard();
    for (n, (next, level, text)) in [
        (Try::Away("starting up"), Level::Warn, "starting up"),
        (Try::Refused, Level::Error, "the database refuses role"),
        (REFUSED, Level::Warn, "connection refused"),
        (
            Try::Broken,
            Level::Error,
            "cannot be migrated: migration: syntax error",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        until(start, 2 * n as u64).await;
        let before = lines(level, text);
        work.turn(next);
        until(start, 2 * n as u64 + 1).await;
        assert_eq!(lines(level, text), before + 1, "{text}");
    }
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_migration_that_fails_while_the_start_waits_ends_it() {
    let work = Scripted::new([Try::Broken]);
    let (task, outcome) = work.start();
    let outcome = ends(outcome).await.unwrap();
    assert!(matches!(outcome, Err(DbError::Migration(_))), "{outcome:?}");
    ends(task).await.unwrap();
    assert_eq!((work.tries(), work.serves()), (1, false));
    assert_eq!(all_lines(), 0, "who started tells it");
}

#[tokio::test(start_paused = true)]
async fn a_migration_that_fails_when_nobody_waits_is_told() {
    let work = Scripted::new([Try::BrokenAfter(Duration::from_secs(12)), Try::Broken]);
    let start = Instant::now();
    let task = work.start_unheard();
    until(start, 12).await;
    assert_eq!(lines(Level::Error, "cannot be migrated"), 1);
    assert!(!work.serves());
    work.turn(Try::Done);
    ends(task).await.unwrap();
    assert!(work.serves(), "somebody mended it");
}

#[tokio::test(start_paused = true)]
async fn a_try_that_hangs_is_told_and_gets_others_beside_it() {
    let work = Scripted::new([Try::Hangs]);
    let start = Instant::now();
    let task = work.start_unheard();
    until(start, 29).await;
    assert_eq!((work.tries(), all_lines()), (1, 0));
    until(start, 31).await;
    assert_eq!(work.tries(), 2);
    assert_eq!(lines(Level::Warn, "a try has gone on for 30 seconds"), 1);
    until(start, 3600).await;
    assert_eq!(
        work.with(|state| state.under_way),
        TRIES,
        "not without bound"
    );
    assert!(
        lines(Level::Warn, "a try has gone on") > 50,
        "told all the time"
    );
    task.abort();

    // A server that stood still, and its successor.
    let work = Scripted::new([Try::Hangs, Try::Done]);
    let start = Instant::now();
    ends(work.start_unheard()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(31));
    assert!(work.serves());
}

#[tokio::test(start_paused = true)]
async fn what_needs_no_migration_is_served_whatever_keeps_it_from_migrating() {
    for failure in [REFUSED, Try::Refused, Try::Broken, Try::Hangs] {
        let work = Scripted::new([failure.clone()]);
        work.with(|state| state.is_current = true);
        let before = lines(Level::Error, "role serves, since no migration is pending");
        let (task, outcome) = work.start();
        assert!(matches!(ends(outcome).await, Ok(Ok(()))), "{failure:?}");
        ends(task).await.unwrap();
        assert!(work.serves(), "{failure:?}");
        let after = lines(Level::Error, "role serves, since no migration is pending");
        assert_eq!(after, before + 1, "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_try_that_succeeds_says_so_when_calls_are_served() {
    let work = Scripted::new([Try::Done]);
    let (_task, outcome) = work.start();
    assert!(matches!(ends(outcome).await, Ok(Ok(()))));
    assert!(work.serves());
    assert_eq!(all_lines(), 0);
}
