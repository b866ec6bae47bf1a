//! Load by `wrk`, where a plain GET will do.

use std::{process::Command, time::Duration};

use crate::stats::Figure;

/// Connections over which it asks.
pub const CONNECTIONS: usize = 32;
/// Its threads.
const THREADS: usize = 2;

/// A shorter warm-up is none: `wrk` knows whole seconds only.
const SHORTEST: Duration = Duration::from_millis(500);

/// Asks for `url` with an access token for `span`, and for `warm` before it, uncounted.
///
/// # Panics
/// If `wrk` is not installed, or writes something else than its report.
pub async fn get(url: &str, token: &str, warm: Duration, span: Duration) -> Figure {
    if warm >= SHORTEST {
        let _ = run(url, token, warm).await;
    }
    run(url, token, span).await
}

async fn run(url: &str, token: &str, span: Duration) -> Figure {
    let mut command = Command::new("wrk");
    command.args([
        format!("-t{THREADS}"),
        format!("-c{CONNECTIONS}"),
        // Whole seconds are all it knows.
        format!("-d{}s", span.as_secs_f64().ceil()),
        "--latency".to_owned(),
        format!("-HAuthorization: Bearer {token}"),
        url.to_owned(),
    ]);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("a thread to wait in")
        .expect("wrk is installed: scripts/install-test-tools --bench");
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).unwrap_or_else(|| panic!("not a report of wrk: {text}"))
}

/// Reads a report. Answers beyond 299, and broken connections, are wrong.
fn parse(text: &str) -> Option<Figure> {
    let field = |begin: &str| {
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(begin))?;
        line.split_whitespace().next()
    };
    let mut figure = Figure {
        rate: field("Requests/sec:")?.parse().ok()?,
        p50: time(field("50%")?)?,
        p99: time(field("99%")?)?,
        ..Figure::default()
    };
    if let Some(count) = field("Non-2xx or 3xx responses:") {
        figure.wrong = count.parse().ok()?;
        figure.first_wrong = Some("a status beyond 299".to_owned());
    }
    let broken = text.lines().find(|line| line.contains("Socket errors:"));
    if let Some(line) = broken {
        figure.wrong += 1;
        figure.first_wrong = Some(line.trim().to_owned());
    }
    Some(figure)
}

/// `417.00us`, `1.32ms`, `2.00s`
fn time(text: &str) -> Option<Duration> {
    let begin = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(begin);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "Running 1s test @ http://127.0.0.1:1/\n  2 threads and 32 connections\n  \
        Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency   435.61us  312.73us   9.41ms   90.51%\n  \
        Latency Distribution\n     50%  417.00us\n     75%  500.00us\n     90%  600.00us\n     99%    1.32ms\n  \
        71204 requests in 1.00s, 30.00MB read\n";

    #[test]
    fn a_report_is_read() {
        let figure = parse(&format!("{REPORT}Requests/sec:  71204.50\n")).unwrap();
        assert!((figure.rate - 71_204.5).abs() < 0.01);
        assert_eq!(figure.p50, Duration::from_micros(417));
        assert_eq!(figure.p99, Duration::from_micros(1_320));
        assert_eq!(figure.wrong, 0);
    }

    #[test]
    fn wrong_answers_and_broken_connections_are_counted() {
        let text = format!(
            "{REPORT}  Socket errors: connect 0, read 3, write 0, timeout 0\n  \
             Non-2xx or 3xx responses: 7\nRequests/sec:  1.0\n"
        );
        assert_eq!(parse(&text).unwrap().wrong, 8);
        assert!(parse("connection refused").is_none());
    }
}
