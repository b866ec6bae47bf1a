//! What was logged on the thread of a test, which runs its tasks, too.

use std::{
    cell::RefCell,
    sync::Once,
    time::{Duration, Instant},
};

use log::Level;

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

struct Ears;

impl log::Log for Ears {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = (record.level(), record.args().to_string());
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn flush(&self) {}
}

/// Hears from now on.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Ears).unwrap();
        log::set_max_level(log::LevelFilter::Info);
    });
}

/// How many lines of `level` there are with `text`.
pub fn heard(level: Level, text: &str) -> usize {
    LINES.with_borrow(|lines| {
        let found = lines
            .iter()
            .filter(|(l, line)| *l == level && line.contains(text));
        found.count()
    })
}

/// As long as several tries of a server that is slow to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a line of `level` with `text`.
///
/// # Panics
/// If there is none within 30 seconds.
pub async fn until_heard(level: Level, text: &str) {
    let start = Instant::now();
    while heard(level, text) == 0 {
        assert!(
            start.elapsed() < PATIENCE,
            "{level} {text:?} is not in {:#?}",
            LINES.with_borrow(Clone::clone)
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
