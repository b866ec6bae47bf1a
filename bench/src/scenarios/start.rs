//! From exec to the first answer that says ready.

use std::time::{Duration, Instant};

use end_to_end::{Platform, Running, SERVICES, standalone as program};
use testkit::{free_ports, http_get};

use crate::{
    pace::Pace,
    report::{Row, Target, time},
    stats::median,
};

/// A start on a migrated database.
const BOUND: Duration = Duration::from_millis(100);
/// The first start of standalone.
const FIRST_BOUND: Duration = Duration::from_secs(1);
/// When it is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(1);

/// Each service, stopped and started again on its migrated database.
pub async fn services(platform: &mut Platform, pace: Pace) -> Vec<Row> {
    let mut rows = Vec::new();
    for (service, binary) in SERVICES {
        let url = platform.directory.of(service).ready;
        // As in production, where somebody ran `migrate` before.
        platform.process_mut(service).set("AUTO_MIGRATE", "false");
        let mut times = Vec::new();
        for _ in 0..pace.starts {
            let _ = platform.stop(service).await;
            let begun = Instant::now();
            platform.process_mut(service).start_again();
            times.push(ready_after(platform.process(service), &url, begun).await);
        }
        rows.push(row(&format!("start, {binary}"), &times, BOUND));
    }
    rows
}

/// Standalone, on an empty folder and then again.
pub async fn standalone(pace: Pace) -> Vec<Row> {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..pace.starts {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ports = free_ports(2);
        let environment = vec![
            ("PORT".to_owned(), ports[0].to_string()),
            ("INTERNAL_PORT".to_owned(), ports[1].to_string()),
            (
                "DATA_DIR".to_owned(),
                folder.path().join("data").display().to_string(),
            ),
        ];
        let url = format!("http://127.0.0.1:{}/readyz", ports[0]);
        let begun = Instant::now();
        let mut running = Running::start(program(), folder.path(), environment, url.clone());
        first.push(ready_after(&running, &url, begun).await);
        let _ = running.stop().await;
        let begun = Instant::now();
        running.start_again();
        again.push(ready_after(&running, &url, begun).await);
    }
    vec![
        row("first start, standalone", &first, FIRST_BOUND),
        row("start, standalone", &again, BOUND),
    ]
}

async fn ready_after(running: &Running, url: &str, begun: Instant) -> Duration {
    loop {
        if matches!(http_get(url).await, Ok((200, _))) {
            return begun.elapsed();
        }
        assert!(
            running.process().is_running() && begun.elapsed() < PATIENCE,
            "not ready:\n{}",
            running.log()
        );
        tokio::time::sleep(PAUSE).await;
    }
}

fn row(name: &str, times: &[Duration], bound: Duration) -> Row {
    let middle = Duration::from_secs_f64(median(times.iter().map(Duration::as_secs_f64)));
    let longest = times.iter().max().copied().unwrap_or_default();
    let measured = format!("median of {}, longest {}", times.len(), time(longest));
    let target = Target::AtMost(bound.as_secs_f64() * 1_000.0, "ms median");
    Row::told(name, measured)
        .times(middle, Duration::ZERO)
        .judged(target, middle.as_secs_f64() * 1_000.0, Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_judged_by_its_median() {
        let times = [40, 50, 900].map(Duration::from_millis);
        let table = crate::report::table(&[row("x", &times, BOUND)]);
        assert!(
            table.contains("longest 900 ms") && table.contains("50.0 ms"),
            "{table}"
        );
        assert!(table.contains("| ok"), "{table}");
    }
}
